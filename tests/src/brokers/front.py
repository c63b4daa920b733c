"""A front of a node of Kafka: it lets in by TLS, by a client certificate, or by SASL, none of which the mock cluster knows."""
import json, select, signal, socketserver, socket, ssl, struct, sys

from scramp import ScramException, ScramMechanism

SASL_HANDSHAKE, API_VERSIONS, SASL_AUTHENTICATE = 17, 18, 36
OWN_VERSIONS = struct.pack(">hhhhhh", SASL_HANDSHAKE, 0, 1, SASL_AUTHENTICATE, 0, 0)
UNSUPPORTED_SASL_MECHANISM, SASL_AUTHENTICATION_FAILED = 33, 58


class Gone(Exception):
    """The connection is to end."""


class Refused(Exception):
    """Whoever wants in is not known."""


def text(value):
    value = value.encode()
    return struct.pack(">h", len(value)) + value


def read(connection, count):
    found = b""
    while len(found) < count:
        more = connection.recv(count - len(found))
        if not more:
            raise Gone
        found += more
    return found


def read_frame(connection):
    return read(connection, *struct.unpack(">i", read(connection, 4)))


def write_frame(connection, frame):
    connection.sendall(struct.pack(">i", len(frame)) + frame)


class Entrance:
    """What a connection says before it is let in."""

    def __init__(self, client, node, known, mechanisms):
        self.client, self.node, self.known, self.mechanisms = client, node, known, mechanisms

    def hear(self, wanted):
        """What the next request of this kind holds. Versions may be asked for before it; all else ends the connection."""
        while True:
            request = read_frame(self.client)
            api, _, self.number, name = struct.unpack_from(">hhih", request)
            if api == wanted:
                return request[10 + max(name, 0):]
            if api != API_VERSIONS:
                raise Gone
            write_frame(self.node, request)
            answer = read_frame(self.node)
            count, = struct.unpack_from(">i", answer, 6)
            write_frame(self.client, answer[:6] + struct.pack(">i", count + 2) + OWN_VERSIONS + answer[10:])

    def say(self, body):
        write_frame(self.client, struct.pack(">i", self.number) + body)

    def step(self):
        said = self.hear(SASL_AUTHENTICATE)
        return said[4:]

    def answer(self, token):
        self.say(struct.pack(">hhi", 0, -1, len(token)) + token)

    def authenticate(self):
        mechanism = self.hear(SASL_HANDSHAKE)[2:].decode()
        known = mechanism in self.mechanisms
        self.say(struct.pack(">hi", 0 if known else UNSUPPORTED_SASL_MECHANISM, len(self.mechanisms))
                 + b"".join(map(text, self.mechanisms)))
        if not known:
            raise Gone
        try:
            self.plain() if mechanism == "PLAIN" else self.scram(ScramMechanism(mechanism))
        except (Refused, ScramException) as refused:
            self.say(struct.pack(">h", SASL_AUTHENTICATION_FAILED) + text(f"{refused}") + struct.pack(">i", 0))
            raise Gone

    def plain(self):
        _, user, password = self.step().decode().split("\0")
        if self.known.get(user) != password:
            # The worst that a node could say.
            raise Refused(f"nobody is {user} with {password}")
        self.answer(b"")

    def scram(self, mechanism):
        server = mechanism.make_server(lambda user: mechanism.make_auth_info(self.known[user]))
        server.set_client_first(self.step().decode())
        self.answer(server.get_server_first().encode())
        server.set_client_final(self.step().decode())
        self.answer(server.get_server_final().encode())


def pass_on(client, node):
    """All that one of them says, to the other."""
    while True:
        waits = isinstance(client, ssl.SSLSocket) and client.pending()
        for source in [client] if waits else select.select([client, node], [], [])[0]:
            said = source.recv(1 << 16)
            if not said:
                return
            (node if source is client else client).sendall(said)


def listener(node, folder, known, certificate, client_certificate, mechanisms):
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{folder}/{certificate}.pem", f"{folder}/key.pem")
        if client_certificate:
            context.load_verify_locations(f"{folder}/ca.pem")
            context.verify_mode = ssl.CERT_REQUIRED

    class Connection(socketserver.BaseRequestHandler):
        def handle(self):
            try:
                client = context.wrap_socket(self.request, server_side=True) if context else self.request
                with client, socket.create_connection(node) as behind:
                    if mechanisms:
                        Entrance(client, behind, known, mechanisms).authenticate()
                    pass_on(client, behind)
            except (Gone, OSError):
                pass

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads = True

    return Listener(("127.0.0.1", 0), Connection)


if __name__ == "__main__":
    import threading

    settings = json.loads(sys.argv[1])
    host, port = settings["node"].rsplit(":", 1)
    listeners = [listener((host, int(port)), settings["folder"], settings["known"], **one) for one in settings["listeners"]]
    for one in listeners:
        threading.Thread(target=one.serve_forever, daemon=True).start()
    print(json.dumps([one.server_address[1] for one in listeners]), flush=True)
    signal.pause()
