"""What a deployment contains: its parts, their licences, and whether weaknesses of them are known."""
