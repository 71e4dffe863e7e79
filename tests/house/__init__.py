"""The rules of the house: layout, arrows, documents, recipes, CI."""
