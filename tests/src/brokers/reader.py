"""Reads messages from brokers by their own clients, and prepares what is to take them. Commands come as lines of JSON."""
import asyncio, base64, ctypes, glob, json, os, sys


def text(value):
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, (bytes, bytearray)):
        return str(value)
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def message(topic, key, content_type, headers, body, **more):
    return dict(topic=topic, key=text(key), content_type=content_type, headers=headers, body=text(body), **more)


class Kafka:
    """The mock cluster of librdkafka, on ports of its own, and a consumer."""

    def __init__(self, brokers):
        import confluent_kafka

        self.client = confluent_kafka
        folder = os.path.dirname(confluent_kafka.__file__)
        self.lib = ctypes.CDLL(glob.glob(os.path.join(folder, "..", "confluent_kafka.libs", "librdkafka*.so*"))[0])
        pointer, word = ctypes.c_void_p, ctypes.c_char_p
        for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
            getattr(self.lib, name).restype = pointer
        self.lib.rd_kafka_mock_cluster_bootstraps.restype = word
        self.lib.rd_kafka_new.argtypes = [ctypes.c_int, pointer, word, ctypes.c_size_t]
        self.lib.rd_kafka_mock_cluster_new.argtypes = [pointer, ctypes.c_int]
        self.lib.rd_kafka_mock_cluster_bootstraps.argtypes = [pointer]
        conf = pointer(self.lib.rd_kafka_conf_new())
        self.lib.rd_kafka_conf_set(conf, b"log_level", b"0", None, ctypes.c_size_t(0))
        handle = self.lib.rd_kafka_new(0, conf, ctypes.create_string_buffer(512), 512)
        self.cluster = pointer(self.lib.rd_kafka_mock_cluster_new(handle, int(brokers)))
        self.addresses = self.lib.rd_kafka_mock_cluster_bootstraps(self.cluster).decode()

    def do_addresses(self):
        return self.addresses.split(",")

    def do_topic(self, name, partitions):
        return self.lib.rd_kafka_mock_topic_create(self.cluster, name.encode(), partitions, 1)

    def do_leader(self, topic, partition, broker):
        return self.lib.rd_kafka_mock_partition_set_leader(self.cluster, topic.encode(), partition, broker)

    def do_errors(self, api, codes):
        self.lib.rd_kafka_mock_push_request_errors_array(
            self.cluster, ctypes.c_int16(api), ctypes.c_size_t(len(codes)), (ctypes.c_int * len(codes))(*codes))

    def do_down(self, broker):
        return self.lib.rd_kafka_mock_broker_set_down(self.cluster, broker)

    def do_up(self, broker):
        return self.lib.rd_kafka_mock_broker_set_up(self.cluster, broker)

    def do_slow(self, broker, milliseconds):
        return self.lib.rd_kafka_mock_broker_set_rtt(self.cluster, broker, milliseconds)

    def do_advertise(self, broker, host, port):
        self.lib.rd_kafka_mock_broker_set_host_port(self.cluster, broker, host.encode(), port)

    def do_read(self, topic, settings):
        consumer = self.client.Consumer({
            "bootstrap.servers": self.addresses, "group.id": "reader", "enable.auto.commit": False,
            "enable.partition.eof": True, **settings})
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([self.client.TopicPartition(topic, number, 0) for number in partitions])
        found, left = [], set(partitions)
        while left:
            got = consumer.poll(10)
            if got is None:
                raise RuntimeError("the cluster does not answer")
            if got.error():
                if got.error().code() != self.client.KafkaError._PARTITION_EOF:
                    raise RuntimeError(str(got.error()))
                left.discard(got.partition())
                continue
            headers = [[name, text(value)] for name, value in got.headers() or []]
            content_type = dict(headers).get("content-type")
            headers = [pair for pair in headers if pair[0] != "content-type"]
            found.append(message(topic, got.key(), content_type, headers, got.value(),
                                 partition=got.partition(), offset=got.offset()))
        consumer.close()
        return found


class Nats:
    def __init__(self, address, options):
        import nats, ssl

        self.loop = asyncio.new_event_loop()
        self.nats, self.address, self.options = nats, address, json.loads(options)
        if folder := self.options.get("tls"):
            tls = self.options["tls"] = ssl.create_default_context(cafile=f"{folder}/ca.pem")
            tls.load_cert_chain(f"{folder}/client.pem", f"{folder}/client-key.pem")

    async def session(self, what):
        client = await self.nats.connect(self.address, **self.options)
        try:
            return await what(client)
        finally:
            await client.close()

    def do_stream(self, name, subjects, **more):
        async def add(client):
            await client.jetstream().add_stream(name=name, subjects=subjects, **more)
        self.loop.run_until_complete(self.session(add))

    def do_read(self, stream):
        async def read(client):
            state = (await client.jetstream().stream_info(stream)).state
            found = []
            for sequence in range(state.first_seq or 1, state.last_seq + 1):
                # As it lies there: the client reads headers as mails have them.
                asked = json.dumps({"seq": sequence}).encode()
                answer = await client.request(f"$JS.API.STREAM.MSG.GET.{stream}", asked, timeout=10)
                got = json.loads(answer.data)["message"]
                lines = base64.b64decode(got.get("hdrs", "")).split(b"\r\n")[1:]
                pairs = [line.split(b": ", 1) for line in lines if line]
                headers = [[text(name), text(value)] for name, value in pairs]
                named = dict(headers)
                headers = [pair for pair in headers if pair[0] not in ("key", "Content-Type")]
                found.append(message(got["subject"], named.get("key"), named.get("Content-Type"), headers,
                                     base64.b64decode(got.get("data", "")), offset=sequence))
            return found
        return self.loop.run_until_complete(self.session(read))


class Amqp:
    def __init__(self, port, user, password):
        import pika

        self.pika = pika
        self.parameters = pika.ConnectionParameters(
            "127.0.0.1", int(port), "/", pika.PlainCredentials(user, password))

    def session(self, what):
        connection = self.pika.BlockingConnection(self.parameters)
        try:
            return what(connection.channel())
        finally:
            connection.close()

    def do_exchange(self, name, internal):
        self.session(lambda channel: channel.exchange_declare(name, "topic", internal=internal) and None)

    def do_queue(self, name, exchange, key, **arguments):
        def declare(channel):
            channel.queue_declare(name, arguments=arguments)
            channel.queue_bind(name, exchange, key)
        self.session(declare)

    def do_read(self, queue):
        def read(channel):
            found = []
            while True:
                # Not acknowledged: so all of them are there again when the session ends.
                got, properties, body = channel.basic_get(queue)
                if got is None:
                    return found
                headers = dict(properties.headers or {})
                key = headers.pop("key", None)
                assert properties.delivery_mode == 2
                found.append(message(got.routing_key, key, properties.content_type,
                                     [[name, text(value)] for name, value in headers.items()], body,
                                     offset=len(found)))
        return self.session(read)


kind, *arguments = sys.argv[1:]
reader = {"kafka": Kafka, "nats": Nats, "amqp": Amqp}[kind](*arguments)
for line in sys.stdin:
    command = json.loads(line)
    try:
        answer = {"done": getattr(reader, "do_" + command.pop("do"))(**command)}
    except Exception as error:
        answer = {"error": repr(error)}
    print(json.dumps(answer), flush=True)
os._exit(0)
