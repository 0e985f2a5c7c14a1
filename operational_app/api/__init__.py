"""What the REST API's operations share: rights, problems, paging, idempotency, the document. Belongs here: nothing of
one business area; an area's operations stand in its own `api.py` and call the services that its pages call.
"""
