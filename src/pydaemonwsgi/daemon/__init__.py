"""The process that runs user code: the thread pool, the WSGI adapter, the script. Standard library only."""
