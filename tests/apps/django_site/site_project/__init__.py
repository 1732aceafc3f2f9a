"""A Django project with a database and the admin."""
