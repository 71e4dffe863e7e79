"""The repair as a whole, its recipes one by one, and networks that are not the project's."""
