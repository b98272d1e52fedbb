"""librdkafka's mock cluster, and a consumer of it, in the test's own process: there is no broker of Kafka
that could be installed. It speaks plaintext on 127.0.0.1, and knows neither TLS nor SASL."""

import ctypes as c
import time

from harness import wait_until

PARTITIONS, BROKERS = 4, 3
EOF, BEGINNING, PRODUCE = -191, -2, 0
NOT_ENOUGH_REPLICAS, TOPIC_AUTHORIZATION_FAILED = 19, 29

lib = c.CDLL("librdkafka.so.1")


class Message(c.Structure):
    _fields_ = [("err", c.c_int), ("rkt", c.c_void_p), ("partition", c.c_int32), ("payload", c.c_void_p),
                ("len", c.c_size_t), ("key", c.c_void_p), ("key_len", c.c_size_t), ("offset", c.c_int64),
                ("private", c.c_void_p)]


class TopicPartition(c.Structure):
    _fields_ = [("topic", c.c_char_p), ("partition", c.c_int32), ("offset", c.c_int64)]


for name, result, args in (
        ("conf_new", c.c_void_p, ()), ("conf_set", c.c_int, (c.c_void_p, c.c_char_p, c.c_char_p, c.c_char_p, c.c_size_t)),
        ("conf_set_log_cb", None, (c.c_void_p, c.c_void_p)),
        ("new", c.c_void_p, (c.c_int, c.c_void_p, c.c_char_p, c.c_size_t)), ("destroy", None, (c.c_void_p,)),
        ("mock_cluster_new", c.c_void_p, (c.c_void_p, c.c_int)), ("mock_cluster_destroy", None, (c.c_void_p,)),
        ("mock_cluster_bootstraps", c.c_char_p, (c.c_void_p,)),
        ("mock_topic_create", c.c_int, (c.c_void_p, c.c_char_p, c.c_int, c.c_int)),
        ("mock_broker_set_down", c.c_int, (c.c_void_p, c.c_int32)),
        ("mock_broker_set_up", c.c_int, (c.c_void_p, c.c_int32)),
        ("mock_broker_set_rtt", c.c_int, (c.c_void_p, c.c_int32, c.c_int)),
        ("mock_partition_set_leader", c.c_int, (c.c_void_p, c.c_char_p, c.c_int32, c.c_int32)),
        ("mock_push_request_errors_array", None, (c.c_void_p, c.c_int16, c.c_size_t, c.POINTER(c.c_int))),
        ("topic_partition_list_new", c.c_void_p, (c.c_int,)), ("topic_partition_list_destroy", None, (c.c_void_p,)),
        ("topic_partition_list_add", c.POINTER(TopicPartition), (c.c_void_p, c.c_char_p, c.c_int32)),
        ("topic_partition_list_set_offset", c.c_int, (c.c_void_p, c.c_char_p, c.c_int32, c.c_int64)),
        ("assign", c.c_int, (c.c_void_p, c.c_void_p)), ("consumer_close", c.c_int, (c.c_void_p,)),
        ("consumer_poll", c.POINTER(Message), (c.c_void_p, c.c_int)), ("message_destroy", None, (c.POINTER(Message),)),
        ("message_headers", c.c_int, (c.POINTER(Message), c.POINTER(c.c_void_p))),
        ("header_get_all", c.c_int, (c.c_void_p, c.c_size_t, c.POINTER(c.c_char_p), c.POINTER(c.c_void_p),
                                     c.POINTER(c.c_size_t)))):
    function = getattr(lib, f"rd_kafka_{name}")
    function.restype, function.argtypes = result, args


def handle(kind, **settings):
    conf, why = lib.rd_kafka_conf_new(), c.create_string_buffer(200)
    lib.rd_kafka_conf_set_log_cb(conf, None)
    for key, value in settings.items():
        assert lib.rd_kafka_conf_set(conf, key.replace("_", ".").encode(), value.encode(), why, 200) == 0, why.value
    rk = lib.rd_kafka_new(kind, conf, why, 200)
    assert rk, why.value
    return rk


def headers_of(message):
    found, head, index = {}, c.c_void_p(), 0
    key, value, size = c.c_char_p(), c.c_void_p(), c.c_size_t()
    if lib.rd_kafka_message_headers(message, c.byref(head)):
        return found
    while not lib.rd_kafka_header_get_all(head, index, c.byref(key), c.byref(value), c.byref(size)):
        found[key.value.decode()] = c.string_at(value, size.value).decode()
        index += 1
    return found


class MockCluster:
    def __init__(self, topic="events"):
        self.topic = topic.encode()
        self.rk = handle(0)
        self.mock = lib.rd_kafka_mock_cluster_new(self.rk, BROKERS)
        assert self.mock and lib.rd_kafka_mock_topic_create(self.mock, self.topic, PARTITIONS, BROKERS) == 0
        self.servers = lib.rd_kafka_mock_cluster_bootstraps(self.mock).decode()

    def stop(self):
        lib.rd_kafka_mock_cluster_destroy(self.mock)
        lib.rd_kafka_destroy(self.rk)

    def each(self, what, *args):
        for broker in range(1, BROKERS + 1):
            assert getattr(lib, f"rd_kafka_mock_broker_{what}")(self.mock, broker, *args) == 0

    def refuse(self, *codes):
        """What the next requests that produce are answered with."""
        lib.rd_kafka_mock_push_request_errors_array(self.mock, PRODUCE, len(codes), (c.c_int * len(codes))(*codes))

    def lead(self, broker):
        for p in range(PARTITIONS):
            assert lib.rd_kafka_mock_partition_set_leader(self.mock, self.topic, p, broker) == 0

    def records(self):
        """All of the topic, each partition in its order."""
        rk = handle(1, bootstrap_servers=self.servers, group_id="reader", enable_partition_eof="true")
        parts = lib.rd_kafka_topic_partition_list_new(PARTITIONS)
        for p in range(PARTITIONS):
            lib.rd_kafka_topic_partition_list_add(parts, self.topic, p)
            lib.rd_kafka_topic_partition_list_set_offset(parts, self.topic, p, BEGINNING)
        assert lib.rd_kafka_assign(rk, parts) == 0
        lib.rd_kafka_topic_partition_list_destroy(parts)
        found, ends, until = [], set(), time.monotonic() + 20
        while len(ends) < PARTITIONS:
            assert time.monotonic() < until, "the mock cluster does not answer"
            message = lib.rd_kafka_consumer_poll(rk, 100)
            if not message:
                continue
            m = message.contents
            if m.err == EOF:
                ends.add(m.partition)
            elif m.err == 0:
                found.append({"key": c.string_at(m.key, m.key_len).decode(), "partition": m.partition,
                              "data": c.string_at(m.payload, m.len).decode(), "headers": headers_of(message)})
            lib.rd_kafka_message_destroy(message)
        lib.rd_kafka_consumer_close(rk)
        lib.rd_kafka_destroy(rk)
        return found

    def wait(self, n, timeout=15):
        wait_until(lambda: len(self.records()) >= n, timeout, f"{n} records", every=0.2)
        return self.records()
