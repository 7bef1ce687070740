"""A small CRM that speaks the part of HubSpot's API that the connector uses. Knows nothing of Repertory."""
