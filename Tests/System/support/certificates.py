"""Certificates of an authority of the tests' own, made by the command `openssl` when they are wanted, and clients that
trust it."""

import pathlib
import ssl
import subprocess

from .wire import Wire

DAYS = ["-days", "30"]
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def openssl(*words, **more):
    result = subprocess.run(["openssl", *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, timeout=60, **more)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout


class Authority:
    """Files in a folder: `ca.pem`, and `NAME.pem`, `NAME.key` of each certificate."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificate = self.folder / "ca.pem"
        openssl("req", "-x509", *KEY, *DAYS, "-subj", "/CN=Authority of the tests", "-keyout", self.folder / "ca.key",
                "-out", self.certificate)

    def issue(self, name, *hosts, subject=None, into=None):
        """Returns the paths of a certificate for these hosts (localhost and 127.0.0.1 without) and of its key."""
        folder = pathlib.Path(into or self.folder)
        chain, key, request = folder / f"{name}.pem", folder / f"{name}.key", self.folder / f"{name}.csr"
        openssl("req", "-new", "-utf8", *KEY, "-subj", subject or f"/CN={name}", "-keyout", key, "-out", request)
        names = [f"DNS:{host}" for host in hosts] or ["DNS:localhost", "IP:127.0.0.1"]
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={','.join(names)}\n")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.folder / "ca.key",
                "-CAcreateserial", *DAYS, "-extfile", self.folder / f"{name}.ext", "-out", chain)
        return chain, key

    def context(self, **more):
        """Of a client that trusts this authority."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        for name, value in more.items():
            setattr(context, name, value)
        return context


class SecureWire(Wire):
    """`Wire` over TLS. `handshake=False` leaves the handshake to the caller."""

    def __init__(self, address, context, name="localhost", session=None, handshake=True, **more):
        super().__init__(address, **more)
        try:
            self.socket = context.wrap_socket(
                self.socket, server_hostname=name, session=session, do_handshake_on_connect=handshake,
                suppress_ragged_eofs=False)
        except BaseException:
            self.socket.close()
            raise

    @property
    def common_name(self):
        """Of the server's certificate."""
        return dict(part[0] for part in self.socket.getpeercert()["subject"])["commonName"]


class Bytes:
    """A client of TLS in memory: what it sends can be cut in pieces, and changed."""

    def __init__(self, context, name="localhost"):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)

    def hello(self):
        try:
            self.object.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def drive(self, link, step):
        """Does what `step` does, over a connected socket."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                result = None
                link.sendall(self.outgoing.read())
                data = link.recv(65536)
                if not data:
                    raise ConnectionError("the connection has ended") from None
                self.incoming.write(data)
                continue
            link.sendall(self.outgoing.read())
            return result


def is_closed(link, timeout=30.0):
    """Waits until the other end closes or resets; returns what came before."""
    link.settimeout(timeout)
    came = b""
    try:
        while data := link.recv(65536):
            came += data
    except ConnectionResetError:
        pass
    return came


