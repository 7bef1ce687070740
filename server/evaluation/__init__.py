"""Evaluating adapter versions through the chat turn: durable jobs, the judge's road, and what a verdict moves."""
