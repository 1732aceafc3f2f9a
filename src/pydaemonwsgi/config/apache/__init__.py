"""httpd's configuration language: from the bytes of files to a tree of directives, and words back to text."""
