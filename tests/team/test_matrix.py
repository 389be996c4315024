"""Every method of the service, from its descriptor, for every kind of caller: over a real channel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import grpc
import pytest

from mvcd.ids import VersionId
from mvcd.team import auditlog
from mvcd.team.host import TeamHost
from mvcd.team.records import ProtectionRule
from mvcd.team.roles import Role, Scope
from mvcd.team.root import Root
from mvcd.wire.server import RunningServer, make_server
from mvcd.wire.v1 import remote_pb2 as pb
from tests.team.acts import BY, NOW, put_version

SERVICE = pb.DESCRIPTOR.services_by_name["Remote"]
READS = {"Hello", "ListRefs", "WatchRefs", "Log", "Has", "Get"}
WRITES = {"Put", "UpdateRefs"}
OK, DENIED, UNKNOWN, HIDDEN = (
    grpc.StatusCode.OK,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.NOT_FOUND,
)


@dataclass
class Bench:
    """A server with one repository, versions in it, and a token of each kind."""

    root: Root
    channel: grpc.Channel
    v1: VersionId
    v2: VersionId
    record: bytes
    tokens: dict[str, str | None] = field(default_factory=dict)
    number: int = 0

    def call(self, method: str, who: str, *, repo: str = "r", request=None) -> grpc.StatusCode:
        return self.answer(method, who, repo=repo, request=request)[0]

    def answer(self, method: str, who: str, *, repo: str = "r", request=None):
        """Code and words of the answer."""
        described = SERVICE.methods_by_name[method]
        kinds = getattr(pb, described.input_type.name), getattr(pb, described.output_type.name)
        make = self.channel.unary_stream if described.server_streaming else self.channel.unary_unary
        call = make(
            f"/{SERVICE.full_name}/{method}",
            request_serializer=kinds[0].SerializeToString,
            response_deserializer=kinds[1].FromString,
        )
        token = self.tokens[who]
        metadata = () if token is None else (("authorization", f"Bearer {token}"),)
        message = request or self.request(method)
        message.repo = repo
        try:
            answered = call(message, metadata=metadata, timeout=20)
            if described.server_streaming:
                next(answered, None)
                answered.cancel()
        except grpc.RpcError as error:
            return error.code(), error.details() or ""
        return OK, ""

    def request(self, method: str):
        self.number += 1
        session = self.number.to_bytes(16, "big")
        match method:
            case "Hello":
                return pb.HelloRequest(protocol_min=1, protocol_max=1)
            case "Log":
                return pb.LogRequest(heads=self.v1)
            case "Has" | "Get":
                return getattr(pb, f"{method}Request")(ids=self.v1)
            case "Put":
                return pb.PutRequest(session=session, records=self.record)
            case "UpdateRefs":
                return self.update(f"heads/new-{self.number}", None, self.v1)
            case _:
                return getattr(pb, SERVICE.methods_by_name[method].input_type.name)()

    def update(self, name: str, old, new, *, force: bool = False):
        self.number += 1
        made = pb.RefUpdate(name=name, force=force)
        if old is not None:
            made.expect = old
        if new is not None:
            made.target = new
        return pb.UpdateRefsRequest(request_id=self.number.to_bytes(16, "big"), updates=[made])


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Root.create(tmp_path_factory.mktemp("server")) as root:
        root.create_repository(BY, "r")
        root.create_repository(BY, "theirs")
        with root.open_repository("r") as store:
            v1 = put_version(store)
            v2 = put_version(store, v1)
            record = b"".join(bytes(part) for part in store.records([v1]))
        host = TeamHost(root, lambda: NOW)
        served = make_server(host)
        port = served.server.add_insecure_port("127.0.0.1:0")
        served.server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            bench = Bench(root, channel, v1, v2, record)
            add_tokens(bench)
            yield bench
        stop(served, host)


def stop(served: RunningServer, host: TeamHost) -> None:
    served.stop(5.0)
    host.close()


def add_tokens(bench: Bench) -> None:
    accounts, tokens = bench.root.accounts, bench.tokens
    for role in Role:
        name = role.word
        accounts.add_user(BY, name)
        accounts.set_grant(BY, name, Scope("r", role))
        tokens[name] = accounts.add_token(BY, name)[0]
    accounts.add_user(BY, "elsewhere")
    accounts.set_grant(BY, "elsewhere", Scope("theirs", Role.ADMIN))
    tokens["elsewhere"] = accounts.add_token(BY, "elsewhere")[0]
    accounts.add_user(BY, "ungranted")
    tokens["ungranted"] = accounts.add_token(BY, "ungranted")[0]
    tokens["none"] = None
    tokens["garbage"] = "mvct_" + "A" * 43
    tokens["expired"] = accounts.add_token(BY, "admin", expires_us=NOW)[0]
    revoked, token = accounts.add_token(BY, "admin")
    accounts.revoke_token(BY, token.id)
    tokens["revoked"] = revoked
    tokens["cut"] = accounts.add_token(BY, "admin", scopes=[Scope("r", Role.READ)])[0]
    tokens["cut-elsewhere"] = accounts.add_token(BY, "admin", scopes=[Scope("x", Role.ADMIN)])[0]
    accounts.set_rule(BY, ProtectionRule("r", "heads/protected"))


EXPECTED = {
    "none": (UNKNOWN, UNKNOWN),
    "garbage": (UNKNOWN, UNKNOWN),
    "expired": (UNKNOWN, UNKNOWN),
    "revoked": (UNKNOWN, UNKNOWN),
    "elsewhere": (HIDDEN, HIDDEN),
    "ungranted": (HIDDEN, HIDDEN),
    "cut-elsewhere": (HIDDEN, HIDDEN),
    "read": (OK, DENIED),
    "cut": (OK, DENIED),
    "append": (OK, OK),
    "write": (OK, OK),
    "maintain": (OK, OK),
    "admin": (OK, OK),
}
"""For methods that read, and that write."""


def test_no_method_is_forgotten() -> None:
    assert {method.name for method in SERVICE.methods} == READS | WRITES


@pytest.mark.parametrize("who", EXPECTED)
@pytest.mark.parametrize("method", sorted(READS | WRITES))
def test_the_matrix(bench: Bench, method: str, who: str) -> None:
    expected = EXPECTED[who][method in WRITES]
    if (method, who) == ("UpdateRefs", "append"):  # of a branch
        expected = DENIED
    assert bench.call(method, who) == expected


@pytest.mark.parametrize("who", EXPECTED)
@pytest.mark.parametrize("method", sorted(READS | WRITES))
def test_absent_repositories_look_like_hidden_ones(bench: Bench, method: str, who: str) -> None:
    hidden = ["r"] if EXPECTED[who][0] == HIDDEN else []
    for repo in ("absent", "../r", "", "a\x7fb", *hidden):
        code, words = bench.answer(method, who, repo=repo)
        if EXPECTED[who][0] == UNKNOWN:
            assert (code, words) == (UNKNOWN, "the server does not know who you are")
        else:
            assert (code, words) == (HIDDEN, f"there is no repository {repo!r}")


@pytest.mark.parametrize("who", EXPECTED)
def test_unknown_methods_are_denied(bench: Bench, who: str) -> None:
    token = bench.tokens[who]
    metadata = () if token is None else (("authorization", f"Bearer {token}"),)
    for path in (f"/{SERVICE.full_name}/Delete", "/mvcd.wire.v1.Admin/AddToken"):
        with pytest.raises(grpc.RpcError) as caught:
            bench.channel.unary_unary(path)(b"", metadata=metadata, timeout=20)
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_training_box_over_the_wire(bench: Bench) -> None:
    def push(name: str, old, new, *, force: bool = False) -> grpc.StatusCode:
        return bench.call("UpdateRefs", "append", request=bench.update(name, old, new, force=force))

    assert push("auto/box/run", None, bench.v1) == OK
    assert push("auto/box/run", bench.v1, bench.v2) == OK
    assert push("auto/box/run", bench.v2, bench.v1, force=True) == DENIED
    assert push("auto/box/run", bench.v2, None) == DENIED
    assert push("tags/mine", None, bench.v1) == DENIED


@pytest.mark.parametrize("who", ["write", "maintain", "admin"])
def test_protected_refs_over_the_wire(bench: Bench, who: str) -> None:
    def push(name: str, old, new, *, force: bool = False) -> grpc.StatusCode:
        return bench.call("UpdateRefs", who, request=bench.update(name, old, new, force=force))

    with bench.root.open_repository("r") as store:
        side = put_version(store, message=who)
        here = store.ref("heads/protected")
    if here is None:
        assert push("heads/protected", None, bench.v1) == OK
    assert push("heads/protected", bench.v1, None) == DENIED
    assert push("heads/protected", bench.v1, side, force=True) == DENIED
    assert push("saved/1", None, bench.v1) == grpc.StatusCode.INVALID_ARGUMENT
    assert push("heads/protected", bench.v2, bench.v2) == grpc.StatusCode.ABORTED


def test_revocation_is_in_force_at_the_next_call(bench: Bench) -> None:
    accounts = bench.root.accounts
    secret, token = accounts.add_token(BY, "read")
    bench.tokens["short"] = secret
    assert bench.call("Hello", "short") == OK
    accounts.revoke_token(BY, token.id)
    assert bench.call("Hello", "short") == UNKNOWN
    del bench.tokens["short"]


def test_each_update_is_in_the_audit_log_of_its_repository(bench: Bench) -> None:
    request = bench.update("heads/audited", None, bench.v1)
    assert bench.call("UpdateRefs", "write", request=request) == OK
    with bench.root.open_repository("r") as store:
        assert auditlog.verify(store).ok
        row = auditlog.newest(store, 1)[0]
    assert (row.who, row.action, row.time_us) == ("write", "ref.update", NOW)
    assert row.request == request.request_id.hex()
    assert row.detail["refs"] == [["heads/audited", None, bench.v1.hex()]]
    assert row.peer.startswith("ipv4:127.0.0.1:")
    assert row.token == bench.root.accounts.authenticate(bench.tokens["write"] or "", NOW).token
