"""A processed CSV as one page, served on this machine. Python 3.8 or newer, and nothing else.

`python demo/run_demo.py` serves the sample and opens a browser; `--output FILE` only writes the
page. It is one file that works offline. Charts are drawn by Chart.js where the project has built
it, else as SVG.
"""

import argparse
import http.server
import io
import re
import socketserver
import sys
import threading
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, Optional, Sequence, Type

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # as a script, and with `python -I`, it would not be there

from demo.page import build_page  # noqa: E402  # found by the line above
from demo.readings import HOW, DemoError, Record, read_rows  # noqa: E402

# In a checkout, and in an installed wheel.
SAMPLES = tuple(
    ROOT / folder / "simulated_processed.csv" for folder in ("data", "pipeline/_bundled/data")
)
BUNDLE = ROOT / "dashboard" / "static" / "vendor" / "charts.bundle.min.js"
HOST = "127.0.0.1"
FIRST_PORT = 8080
MORE_PORTS = 100
HIGHEST_PORT = 65535


class Server(socketserver.ThreadingTCPServer):
    """A thread for each connection: a browser opens some that it never uses."""

    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"  # there it would share a port that is taken

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # a browser that hangs up is no news
            super().handle_error(request, client_address)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command; the exit code is 2 when there is something for the user to put right."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names may be anything
    try:
        options = _parser().parse_args(arguments)
        source = options.csv or default_csv()
        page = build_page(Record(read_rows(source)), source.name, chart_code()).encode("utf-8")
        if options.output:
            write(options.output, page)
        else:
            serve(page, options.port, options.browser)
    except DemoError as error:
        print(f"run_demo: {one_line(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped.")
    return 0


def default_csv() -> Path:
    found = next((path for path in SAMPLES if path.is_file()), None)
    if found is None:
        raise DemoError(f"{SAMPLES[0]}: not found; name a processed CSV with --csv. {HOW}")
    return found


def chart_code() -> Optional[str]:
    """Chart.js and its plugins, or None where they have not been built."""
    with suppress(OSError, UnicodeDecodeError):
        return BUNDLE.read_text(encoding="utf-8").strip() or None
    return None


def write(path: Path, page: bytes) -> None:
    try:
        path.write_bytes(page)
    except OSError as error:
        raise DemoError(f"{path}: cannot be written ({error.strerror}); try another") from None
    print(f"{path}: {len(page):,} bytes; open it in any browser, offline too")


def serve(page: bytes, first_port: int, browser: bool) -> None:
    """Serve the page until Ctrl+C."""
    with listen(page, first_port) as server:
        address = f"http://{HOST}:{server.server_address[1]}/"
        print(f"Smart Sensor demo: {address}  (Ctrl+C stops it)", flush=True)
        if browser:
            # In a thread: some browsers come back only when they are closed.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        server.serve_forever()


def listen(page: bytes, first_port: int) -> Server:
    """A server on the first free port, on this machine only. Raises DemoError without one."""
    last_port = min(first_port + MORE_PORTS, HIGHEST_PORT)
    for port in range(first_port, last_port + 1):
        with suppress(OSError):
            return Server((HOST, port), handler_of(page))
    raise DemoError(
        f"no free port from {first_port} to {last_port}; stop what listens there, "
        "or name another first port with --port"
    )


def handler_of(page: bytes) -> Type[http.server.BaseHTTPRequestHandler]:
    """Answers `/` with the page and anything else with 404."""

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 30

        def do_GET(self) -> None:
            if self.path.split("?")[0] != "/":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(page)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """The terminal is for the address and how to stop."""

    return Handler


def one_line(text: str) -> str:
    """Without line ends and without what a terminal would obey."""
    plain = re.sub(r"\s+", " ", text)
    return "".join(each if each.isprintable() else "?" for each in plain)


class _Parser(argparse.ArgumentParser):
    """Raises DemoError where argparse would print its usage and exit."""

    def error(self, message: str) -> NoReturn:
        raise DemoError(f"{message}; --help shows what is possible")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="run_demo.py", description=__doc__)
    parser.add_argument("--csv", type=Path, metavar="FILE", help="a processed CSV, not the sample")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the page and stop")
    parser.add_argument(
        "--port",
        type=_port,
        default=FIRST_PORT,
        metavar="N",
        help=f"first port to try, then the {MORE_PORTS} after it; default: {FIRST_PORT}",
    )
    parser.add_argument(
        "--no-browser", dest="browser", action="store_false", help="do not open a browser"
    )
    return parser


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= HIGHEST_PORT:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no port; from 1 to {HIGHEST_PORT} is possible"
        )
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
