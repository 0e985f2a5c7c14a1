"""The one HTTPS address: the app at `/`, cockpits and Dagster behind it for whom the app lets through.

Caddy with a certificate authority of its own, made at first start and kept in the home folder. It asks nobody on the
network: no public authority, no revocation service, no installation into the system's trust store.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from huiyang.settings import COCKPIT_PATH, DAGSTER_PATH, PROJECT_ROOT, Settings

#: The app's word for who may do more in Dagster than look; `operational_app.identity.access.Resource` holds it.
PIPELINE_ADMINISTRATION = "pipeline_administration"
SECRET_VARIABLE = "HUIYANG_FRONT_DOOR_SECRET"

#: Pages may load nothing from outside the installation. Inline and evaluated scripts are what Superset, Dagster and
#: the map need; the app sets a stricter policy for its own pages, and a browser obeys both.
_CONTENT_POLICY = (
    "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)


def _content_policy(settings: Settings) -> str:
    """The policy; where a source of map tiles is configured, pages may ask it, too."""
    if settings.map_tile_url is None:
        return _CONTENT_POLICY
    tiles = urlsplit(settings.map_tile_url)
    return f"{_CONTENT_POLICY}; connect-src 'self' data: blob: {tiles.scheme}://{tiles.netloc}"


#: Where and how fast, never who and what: no query, no headers, the client's network instead of its address. A
#: request stands in errors too, there with the door's own secret.
_LOG_FORMAT = r"""format filter {
	wrap json
	fields {
		request>uri regexp \?.* ""
		request>headers delete
		request>remote_port delete
		request>tls delete
		resp_headers delete
		user_id delete
		request>remote_ip ip_mask {
			ipv4 24
			ipv6 48
		}
		request>client_ip ip_mask {
			ipv4 24
			ipv6 48
		}
	}
}"""

_TEMPLATE = """
{{
	admin off
	persist_config off
	skip_install_trust
	auto_https disable_redirects
	ocsp_stapling off
	grace_period 5s
	default_sni localhost
	storage file_system {storage}
	pki {{
		ca local {{
			name "Huiyang"
			root_cn "Huiyang local authority of this installation"
			intermediate_cn "Huiyang front door"
		}}
	}}
	servers {{
		protocols h1 h2
	}}
	log {{
		level WARN
		{log_format}
	}}
}}

(checked_by_app) {{
	forward_auth 127.0.0.1:{app_port} {{
		uri /auth/check
		# The question about an opening socket is itself no socket: the app would refuse to open one.
		header_up -Connection
		header_up -Upgrade
		copy_headers X-Huiyang-User X-Huiyang-Roles
	}}
	request_header X-Front-Door {{env.{secret_variable}}}
}}

(dagster_at) {{
	reverse_proxy 127.0.0.1:{{args[0]}} {{
		flush_interval -1
		# An open socket is asked for its session again: whoever was revoked is out within 5 seconds.
		stream_timeout 5s
	}}
}}

{sites} {{
	tls internal

	log {{
		output file {access_log} {{
			mode 600
			roll_size 20MiB
			roll_keep 10
			roll_keep_for 4380h
		}}
		{log_format}
	}}

	header {{
		X-Content-Type-Options nosniff
		Referrer-Policy same-origin
		Permissions-Policy "camera=(self), microphone=(self), geolocation=(self), payment=(), usb=()"
		Cross-Origin-Opener-Policy same-origin
		+Content-Security-Policy "{content_policy}"
		-Server
		-Via
		defer
	}}

	route {{
		# Only the app says who somebody is; what a client claims is dropped.
		request_header -X-Huiyang-*
		request_header -X-Front-Door

		# Results of SQL Lab as files would pass the audit trail by; one of these ways asks for no right of its own.
		@exports path {cockpits}/api/v1/sqllab/export*
		respond @exports 403

		@cockpits path {cockpits} {cockpits}/*
		handle @cockpits {{
			import checked_by_app
			encode zstd gzip
			reverse_proxy 127.0.0.1:{superset_port}
		}}

		@dagster path {dagster} {dagster}/*
		handle @dagster {{
			import checked_by_app
			# Chosen after the app's answer: what a client says of its roles was dropped above.
			route {{
				@administers header_regexp X-Huiyang-Roles (^|,){pipeline_administration}(,|$)
				handle @administers {{
					import dagster_at {dagster_port}
				}}
				handle {{
					import dagster_at {dagster_view_port}
				}}
			}}
		}}

		handle {{
			encode zstd gzip
			reverse_proxy 127.0.0.1:{app_port} {{
				flush_interval -1
			}}
		}}
	}}
}}
"""


def configuration_file(settings: Settings) -> Path:
    return settings.run_dir / "Caddyfile"


def authority_file(settings: Settings) -> Path:
    """The certificate that browsers and phones must trust; Caddy makes it at its first start."""
    return settings.home / "front_door" / "pki" / "authorities" / "local" / "root.crt"


def command(settings: Settings) -> list[str]:
    """Runs the door in the foreground; SECRET_VARIABLE must stand in its environment."""
    return [
        str(PROJECT_ROOT / ".venv/bin/caddy"), "run", "--adapter", "caddyfile",
        "--config", str(configuration_file(settings)),
    ]  # fmt: skip


def names(settings: Settings) -> list[str]:
    """Every name and address under which this machine can be reached, and those it was told."""
    found = ["localhost", "127.0.0.1", "::1", socket.gethostname().lower()]
    for addresses in psutil.net_if_addrs().values():
        for address in addresses:
            if address.family in (socket.AF_INET, socket.AF_INET6):
                plain = address.address.partition("%")[0]
                if not ipaddress.ip_address(plain).is_link_local:
                    found.append(plain)
    found += [name.strip().lower() for name in settings.front_door_names.split(",") if name.strip()]
    return list(dict.fromkeys(found))


def address(settings: Settings) -> str:
    """The address to give to a person at this machine."""
    return f"https://localhost:{settings.front_door_port}"


def answers(settings: Settings) -> bool:
    """Whether it speaks TLS at this machine with a certificate of its own authority."""
    try:
        context = ssl.create_default_context(cafile=str(authority_file(settings)))
        with (
            socket.create_connection(("127.0.0.1", settings.front_door_port), timeout=5) as connection,
            context.wrap_socket(connection, server_hostname="localhost"),
        ):
            return True
    except OSError:
        return False


def write_configuration(settings: Settings) -> None:
    """Writes the Caddyfile; it holds no secret, which comes from the environment."""
    hosts = [f"[{name}]" if ":" in name else name for name in names(settings)]
    text = _TEMPLATE.format(
        storage=settings.home / "front_door",
        app_port=settings.app_port,
        superset_port=settings.superset_port,
        dagster_port=settings.dagster_port,
        dagster_view_port=settings.dagster_view_port,
        pipeline_administration=PIPELINE_ADMINISTRATION,
        log_format=_LOG_FORMAT.replace("\n", "\n\t\t"),
        secret_variable=SECRET_VARIABLE,
        sites=", ".join(f"https://{host}:{settings.front_door_port}" for host in hosts),
        access_log=settings.log_dir / "access.log",
        content_policy=_content_policy(settings),
        cockpits=COCKPIT_PATH,
        dagster=DAGSTER_PATH,
    )
    configuration_file(settings).write_text(text.lstrip())
