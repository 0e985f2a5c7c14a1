"""What keeps a cockpit page inside the installation."""

from __future__ import annotations

from typing import Any

#: Handlebars charts compile their template in the browser, which needs 'unsafe-eval'. Templates come from this folder
#: only (no cockpit role may edit a chart), and a script that was slipped into a page still has no nonce.
TALISMAN_CONFIG: dict[str, Any] = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'", "data:"],
        "script-src": ["'self'", "'strict-dynamic'", "'unsafe-eval'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,  # the front door speaks HTTPS
    "session_cookie_secure": True,
}

#: Where deck.gl charts get their background: an empty tile of our own; public tile hosts are the default.
BASE_MAPS = [["tile:///cockpits/tiles/{z}/{x}/{y}.png", "无底图"]]

_SVG_SHAPE = ["d", "fill", "fillOpacity", "stroke", "strokeWidth", "strokeLinejoin", "transform", "opacity"]
#: What the sanitiser lets through beyond its defaults: drawings and classes of our templates. No script, no handler,
#: no embedded document, no link to a drawing elsewhere.
SANITIZATION_EXTENSIONS: dict[str, Any] = {
    "attributes": {
        "*": ["className", "style", "title", "role", "ariaLabel"],
        "svg": ["viewBox", "preserveAspectRatio", "width", "height"],
        "g": _SVG_SHAPE,
        "path": _SVG_SHAPE,
        "circle": [*_SVG_SHAPE, "cx", "cy", "r"],
        "rect": [*_SVG_SHAPE, "x", "y", "width", "height", "rx"],
        "line": [*_SVG_SHAPE, "x1", "y1", "x2", "y2"],
        "text": [*_SVG_SHAPE, "x", "y", "dx", "dy", "textAnchor", "fontSize"],
        "tspan": ["x", "y", "dx", "dy"],
    },
    "tagNames": ["svg", "g", "path", "circle", "rect", "line", "text", "tspan", "title"],
}
