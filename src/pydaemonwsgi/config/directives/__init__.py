"""The table of directives: one row for each, and the function that writes what it says into a draft of the model."""
