"""The local web page and its HTTP API. Pictures are decoded in a worker process of its own, never in the server."""
