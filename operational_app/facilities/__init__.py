"""社区养老设施 community facilities at county, town and village level. Not here: institutions with residents."""
