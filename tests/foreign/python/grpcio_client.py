"""grpcio (C-core): every failure, and that no healthy call differs with the contract and without."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import check
import grpc
import recordings_pb2 as pb
import recordings_pb2_grpc as stubs

OPTIONS = [
    ("grpc.max_receive_message_length", 32 * 1024 * 1024),
    ("grpc.max_send_message_length", 32 * 1024 * 1024),
]
LARGE = bytes(range(256)) * 32 * 1024  # 8 MiB
PANIC = check.EXPECTED["Panic"]


def connect(url):
    return grpc.insecure_channel(url.removeprefix("http://"), options=OPTIONS)


def metadata(pairs):
    """What the service said; the contract's own headers are tested elsewhere."""
    ours = ("access-control-", "date")
    return sorted((key, value) for key, value in pairs or () if not key.startswith(ours))


def unary(method, message, **options):
    """Everything that a unary call shows to its client."""
    try:
        response, call = method.with_call(message, **options)
        said = response.SerializeToString(deterministic=True)
    except grpc.RpcError as error:
        said, call = None, error
    return (
        hashlib.sha256(said).hexdigest() if said else said,
        call.code(),
        call.details(),
        metadata(call.initial_metadata()),
        metadata(call.trailing_metadata()),
    )


def stream(call):
    """The messages in their order, and how the stream ends."""
    messages = []
    try:
        for message in call:
            messages.append(message.SerializeToString())
    except grpc.RpcError:
        pass
    return (
        messages,
        call.code(),
        call.details(),
        metadata(call.initial_metadata()),
        metadata(call.trailing_metadata()),
    )


def chunks(number, size):
    return [pb.Chunk(data=bytes([index % 256]) * size) for index in range(number)]


def healthy(channel):
    recordings = stubs.RecordingsStub(channel)
    diagnostics = stubs.DiagnosticsStub(channel)
    gzip = grpc.Compression.Gzip
    unknown = channel.unary_unary(
        "/recordings.v1.Recordings/Unknown",
        pb.Nothing.SerializeToString,
        pb.Nothing.FromString,
    )
    return {
        "search": unary(recordings.Search, pb.SearchRequest()),
        "search with text": unary(recordings.Search, pb.SearchRequest(text="331")),
        "nothing found": unary(recordings.Search, pb.SearchRequest(text="nobody")),
        "compressed search": unary(recordings.Search, pb.SearchRequest(), compression=gzip),
        "play": stream(recordings.Play(pb.PlayRequest(id="call-01"))),
        "compressed play": stream(recordings.Play(pb.PlayRequest(id="call-01"), compression=gzip)),
        "play what is not there": stream(recordings.Play(pb.PlayRequest(id="call-99"))),
        "empty": unary(diagnostics.Echo, pb.Chunk()),
        "large": unary(diagnostics.Echo, pb.Chunk(data=LARGE)),
        "large, compressed": unary(diagnostics.Echo, pb.Chunk(data=LARGE), compression=gzip),
        "too large": unary(diagnostics.Echo, pb.Chunk(data=LARGE * 2 + b"!")),
        "streamed both ways": stream(diagnostics.EchoAll(iter(chunks(200, 1000)))),
        "streamed, compressed": stream(
            diagnostics.EchoAll(iter(chunks(200, 1000)), compression=gzip)
        ),
        "an empty stream": stream(diagnostics.EchoAll(iter(()))),
        "a status of the service": unary(diagnostics.OwnStatus, pb.Nothing()),
        "an unknown method of a service": unary(unknown, pb.Nothing()),
    }


def cancelled(channel):
    """Calls that the client gives up; the channel goes on."""
    recordings = stubs.RecordingsStub(channel)
    diagnostics = stubs.DiagnosticsStub(channel)
    play = recordings.Play(pb.PlayRequest(id="call-01"))
    first = len(next(iter(play)).audio)
    play.cancel()
    sleep = diagnostics.Sleep.future(pb.Nothing())
    sleep.cancel()
    after = unary(recordings.Search, pb.SearchRequest())
    return first, play.code(), sleep.cancelled(), after


def impatient(channel):
    """A client's own deadline: it reads 4, whether its own clock is first or the server's."""
    sleep = stubs.DiagnosticsStub(channel).Sleep
    for milliseconds in range(50, 100, 5):
        _, code, *_ = unary(sleep, pb.Nothing(), timeout=milliseconds / 1000)
        check.equal(f"{milliseconds} ms", code, grpc.StatusCode.DEADLINE_EXCEEDED)


def failures(channel):
    diagnostics = stubs.DiagnosticsStub(channel)
    nowhere = channel.unary_unary(
        "/nowhere.v1.Service/Method", pb.Nothing.SerializeToString, pb.Nothing.FromString
    )
    methods = {
        "Panic": diagnostics.Panic,
        "Sleep": diagnostics.Sleep,
        "Overload": diagnostics.Overload,
        "AskUpstream": diagnostics.AskUpstream,
        "nowhere": nowhere,
    }
    for name, method in methods.items():
        said, code, details, _, _ = unary(method, pb.Nothing())
        check.equal(name, (said, code.value[0], details), (None, *check.EXPECTED[name]))


def panic_in_stream(channel):
    call = stubs.DiagnosticsStub(channel).PanicInStream(pb.Nothing())
    messages, code, details, _, _ = stream(call)
    sent = [pb.Chunk(data=data).SerializeToString() for data in (b"one", b"two")]
    check.equal("PanicInStream", (messages, code.value[0], details), (sent, *PANIC))


def siblings(channel):
    """Calls on the same connection live on when others panic."""
    diagnostics = stubs.DiagnosticsStub(channel)
    with ThreadPoolExecutor(20) as pool:
        panics = [pool.submit(unary, diagnostics.Panic, pb.Nothing()) for _ in range(10)]
        breaks = [pool.submit(panic_in_stream, channel) for _ in range(5)]
        echoes = [
            pool.submit(lambda: stream(diagnostics.EchoAll(iter(chunks(50, 5000)))))
            for _ in range(5)
        ]
        for panic in panics:
            check.equal("a panic among others", panic.result()[1].value[0], PANIC[0])
        for broken in breaks:
            broken.result()
        for echo in echoes:
            messages, code, *_ = echo.result()
            whole = [chunk.SerializeToString() for chunk in chunks(50, 5000)]
            check.equal("a stream among panics", (messages, code), (whole, grpc.StatusCode.OK))


with connect(check.CONTRACT) as contract, connect(check.BARE) as bare:
    with_contract, without = healthy(contract), healthy(bare)
    for name, outcome in without.items():
        check.equal(f"{name}, with the contract", with_contract[name], outcome)
    codes = {name: outcome[1].name for name, outcome in without.items()}
    strange = {name: code for name, code in codes.items() if code != "OK"}
    check.equal(
        "calls that the service itself refuses",
        strange,
        {
            "play what is not there": "NOT_FOUND",
            "too large": "OUT_OF_RANGE",
            "a status of the service": "FAILED_PRECONDITION",
            "an unknown method of a service": "UNIMPLEMENTED",
        },
    )
    check.equal("cancelled calls, with the contract", cancelled(contract), cancelled(bare))
    impatient(contract)
    failures(contract)
    panic_in_stream(contract)
    siblings(contract)
check.done("grpcio")
