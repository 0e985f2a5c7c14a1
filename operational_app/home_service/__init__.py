"""居家上门服务: catalogue, entitlement, orders with events, tracks, photos, evaluations.

Not here: operators and providers (organizations), care workers (workforce).
"""
