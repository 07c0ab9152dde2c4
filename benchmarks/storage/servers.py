"""The servers of the storage benchmark: a stub that costs nothing (the client is what is measured), one that
is fast, in memory, and a real one. Each gives an endpoint and keys, with an empty bucket ``bench``.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2] / "tests"
BUCKET = "bench"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server listens, and the keys it takes."""

    url: str
    access_key: str
    secret_key: str

    @property
    def environment(self) -> dict[str, str]:
        """For every client: Dify's names, and those of AWS."""
        return {
            "STORAGE_TYPE": "s3",
            "S3_ENDPOINT": self.url,
            "S3_BUCKET_NAME": BUCKET,
            "S3_ACCESS_KEY": self.access_key,
            "S3_SECRET_KEY": self.secret_key,
            "S3_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
        }


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(port: int) -> None:
    """Until somebody listens."""
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the server does not come up")


@contextmanager
def running(command: list[str], port: int, **options: object) -> Iterator[None]:
    """A program in the background, until the end of the block."""
    process = subprocess.Popen(  # type: ignore[call-overload]
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
    )
    try:
        wait_for(port)
        yield
    finally:
        process.terminate()
        process.wait(10)


NGINX = """\
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 2048; }}
http {{
  access_log off; keepalive_requests 100000000; client_max_body_size 0; client_body_buffer_size 1m;
  client_body_temp_path {folder}/body; sendfile on; tcp_nodelay on; etag off;
  map $args $page {{ default "1"; ~continuation-token=(?<number>[0-9]+) $number; }}
  map $args $which {{ default "empty"; ~prefix=list "page-$page"; }}
  map $args $list {{ default ""; ~list-type=2 "/$which.xml"; }}
  map $uri $content {{ default "/small"; ~medium "/medium"; ~large "/large"; }}
  server {{
    listen 127.0.0.1:{port}; root {folder}/www; default_type application/octet-stream;
    location / {{
      if ($http_x_amz_copy_source) {{ rewrite ^ /copy.xml break; }}
      if ($request_method = PUT) {{ return 200; }}
      if ($request_method = DELETE) {{ return 204; }}
      if ($request_method = POST) {{
        return 200 "<DeleteResult><Deleted><Key>k</Key></Deleted></DeleteResult>";
      }}
      if ($list) {{ rewrite ^ $list break; }}
      if ($list = "") {{ rewrite ^ $content break; }}
      error_page 405 =200 $uri;
    }}
  }}
}}
"""


def _page(number: int, keys: int = 1000, pages: int = 20) -> str:
    entries = "".join(
        f"<Contents><Key>list/k{(number - 1) * keys + at:08d}</Key>"
        "<LastModified>2026-11-26T00:00:00.000Z</LastModified>"
        "<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>10240</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
        for at in range(keys)
    )
    more = number < pages
    token = f"<NextContinuationToken>{number + 1}</NextContinuationToken>" if more else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{BUCKET}</Name><Prefix>list/</Prefix><KeyCount>{keys}</KeyCount><MaxKeys>1000</MaxKeys>"
        f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{entries}</ListBucketResult>"
    )


@contextmanager
def stub() -> Iterator[Endpoint]:
    """nginx with canned answers: puts, gets, lists and deletes of small objects at the speed of C."""
    with tempfile.TemporaryDirectory(prefix="bench-nginx-", dir="/dev/shm") as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o755)
        www = folder / "www"
        www.mkdir()
        for title, size in (("small", 10 << 10), ("medium", 1 << 20)):
            (www / title).write_bytes(b"x" * size)
        for number in range(1, 21):
            (www / f"page-{number}.xml").write_text(_page(number))
        (www / "empty.xml").write_text(
            "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
        )
        (www / "copy.xml").write_text('<CopyObjectResult><ETag>"x"</ETag></CopyObjectResult>')
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
        with running(["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)], port):
            yield Endpoint(f"http://127.0.0.1:{port}", "key", "secret")


@contextmanager
def rclone() -> Iterator[Endpoint]:
    """`rclone serve s3` over a folder in memory: fast, and it checks signatures. No copies on the server."""
    program = Path(sys.executable).parent / "rclone"
    with tempfile.TemporaryDirectory(prefix="bench-rclone-", dir="/dev/shm") as name:
        (Path(name) / BUCKET).mkdir()
        port = free_port()
        command = [
            str(program),
            "serve",
            "s3",
            "--addr",
            f"127.0.0.1:{port}",
            "--auth-key",
            "key,secretsecret",
        ]
        with running([*command, "--vfs-cache-mode", "off", "--no-checksum", name], port):
            yield Endpoint(f"http://127.0.0.1:{port}", "key", "secretsecret")


@contextmanager
def ceph() -> Iterator[Endpoint]:
    """Ceph's object gateway, objects in memory: a production S3 server."""
    sys.path[:0] = [str(TESTS / "contract" / "storage"), str(TESTS)]
    from servers import ceph as cluster  # type: ignore[import-not-found]

    with tempfile.TemporaryDirectory(prefix="bench-ceph-") as name, cluster.started(Path(name)) as up:
        endpoint = Endpoint(up.url, up.owner.access_key, up.owner.secret_key)
        from cloudberth import storage

        with storage.open(endpoint.environment) as bucket:
            bucket.check(create=True)
        yield endpoint


SERVERS: dict[str, Callable[[], AbstractContextManager[Endpoint]]] = {
    "stub": stub,
    "rclone": rclone,
    "ceph": ceph,
}
