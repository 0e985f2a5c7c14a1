"""Asking to join: people a government department, market entities the platform, people a market entity.

Also the approval list (办理清单) where that is decided. What an account may do afterwards belongs to `identity`.
"""
