"""What `repertory doctor` looks at. Each check looks, changes nothing, and says what to do."""
