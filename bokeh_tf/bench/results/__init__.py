"""What a timing run leaves behind, and what may be concluded from it; nothing here measures."""
