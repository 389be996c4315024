"""A bucket of S3 and what speaks it, of GCS, of Azure, or in memory: the protocol Blobs over obstore.

This is the only module that knows the library, an extra (`pip install 'mvcd[s3]'`). Two of its stores look at
one bucket, since limits of time belong to a store. The one for all but whole objects that are written gives up
when nothing comes for a minute. The library counts that minute from the first byte sent, so the other one, for
writing, has no such limit: 64 MiB over 10 Mbit/s take 54 s.

Neither store repeats a call by itself (`max_retries=0`): the second try of a conditional write that had landed
would be told that it came too late. Harmless calls are repeated here, for `PATIENCE_SECONDS` at most; where no
connection ever came about, for `_UNREACHED_SECONDS`, since an address is more often wrong than just starting.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cache, partial
from typing import Any, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotModifiedError, PreconditionError
from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store

from mvcd import __version__
from mvcd.errors import AuthError, Failure, IntegrityError, NotPermitted, UsageError
from mvcd.ids import Bytes
from mvcd.store.bucket.awsprofile import Profile
from mvcd.store.bucket.blobs import BlobAbsent, BlobChanged, BlobInfo, InDoubt, Tag
from mvcd.store.bucket.failures import NO_OBJECT, OTHER_STORE, BucketPlace, Reply, refusal, unopened
from mvcd.store.bucket.options import EtagStyle, Options
from mvcd.store.bucket.ranges import plan
from mvcd.store.bucket.workers import Workers

T = TypeVar("T")
_Mode = Any  # "create", or what the object is to be like

PATIENCE_SECONDS = 30.0
_UNREACHED_SECONDS = 1.0
_CONNECT_SECONDS = 1.5
_FIRST_PAUSE_SECONDS = 0.1
_MOST_PAUSE_SECONDS = 3.0
_SILENCE_SECONDS = 60
_TRANSFER_SECONDS = 3600
_PART_BYTES = 16 << 20
_PARALLEL_PARTS = 4
_PARTS_FROM_BYTES = 64 << 20
"""Objects over so many bytes are sent in parts. Packs of 16 to 64 MiB are not: on Ceph, parts of 8 and 16 MiB
were no faster (52 to 75 MiB/s, 51 to 69 in one piece; size 3, 2 busy cores), and who dies leaves none of them
behind."""
_THREADS = 8
_jitter = random.random
_LIST_NAMES = 1000
_DELETE_NAMES = 1000


class ObjectBlobs:
    """The protocol Blobs over stores of obstore that look at one bucket below one prefix: `store` for all calls
    but `put`, for which `writes` makes another one when it is needed."""

    def __init__(
        self,
        store: Any,
        writes: Callable[[], Any],
        place: BucketPlace,
        *,
        etags: EtagStyle = "quoted",
    ) -> None:
        self._store = store
        self._writes = cache(writes)
        self._place = place
        self._etags = etags
        self._reached = False
        self._workers = Workers(_THREADS, "bucket")

    sealed = False
    read_only = False

    @property
    def url(self) -> str:
        return self._place.url

    def close(self) -> None:
        self._workers.close()

    # ------------------------------------------------------------------ reading

    def get(self, name: str) -> tuple[bytes, Tag]:
        return self._workers.call(partial(self._harmless, partial(self._get, name), name, "read"))

    def _get(self, name: str) -> tuple[bytes, Tag]:
        found = obstore.get(self._store, name)
        return found.bytes().to_bytes(), self._tag(found.meta, name)

    def get_changed(self, name: str, tag: Tag) -> tuple[bytes, Tag] | None:
        if (
            self._place.scheme == "gs"
        ):  # its tags are generations, which reading has no condition for
            found: tuple[bytes, Tag] | None = self.get(name)
        else:
            get = partial(self._get_unless, name, tag)
            found = self._workers.call(partial(self._harmless, get, name, "read"))
        return None if found is None or found[1] == tag else found

    def _get_unless(self, name: str, tag: Tag) -> tuple[bytes, Tag] | None:
        """Stores that know only quoted tags here, and those that know either, take the tag as they gave it."""
        try:
            found = obstore.get(self._store, name, options={"if_none_match": str(tag)})
        except NotModifiedError:
            return None
        return found.bytes().to_bytes(), self._tag(found.meta, name)

    def get_ranges(self, name: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        planned = plan(spans)
        read = [partial(self._get_range, name, start, end) for start, end in planned.reads]
        return planned.cut(self._workers.map(read))

    def _get_range(self, name: str, start: int, end: int) -> bytes:
        def get() -> bytes:
            return bytes(obstore.get_range(self._store, name, start=start, end=end))

        data = self._harmless(get, name, "read", short=True)
        if len(data) != end - start:
            raise _short(name, start + len(data))
        return data

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        folder, _, rest = prefix.rpartition("/")
        last = f"{folder}/{rest[:-1]}".lstrip("/") if len(rest) > 1 else ""
        while True:
            page = self._workers.call(
                partial(self._harmless, partial(self._page, folder, last), prefix, "read")
            )
            for each in page:
                name = each["path"]
                if name <= last:
                    raise NotPermitted(
                        f"{self.url} cannot hold a repository",
                        kind="unordered",
                        cause=f"it lists {name} after {last}; names have to come in their order",
                        help="use a bucket of the general kind",
                    )
                last = name
                if name.startswith(prefix):
                    modified_ns = int(each["last_modified"].timestamp() * 1e6) * 1000
                    yield BlobInfo(name, each["size"], modified_ns)
                elif name > prefix:
                    return
            if len(page) < _LIST_NAMES:
                return

    def _page(self, folder: str, after: str) -> Sequence[Any]:
        """The next names, each page by a call of its own: one that breaks is asked for again, and nothing but
        names has to be kept between pages."""
        stream = obstore.list(
            self._store, prefix=folder or None, offset=after or None, chunk_size=_LIST_NAMES
        )
        return next(iter(stream), [])

    # ------------------------------------------------------------------ writing

    def put(self, name: str, data: Bytes) -> None:
        write = partial(
            obstore.put,
            self._writes(),
            name,
            data,
            use_multipart=memoryview(data).nbytes > _PARTS_FROM_BYTES,
            chunk_size=_PART_BYTES,
            max_concurrency=_PARALLEL_PARTS,
        )
        self._workers.call(partial(self._harmless, write, name, "write"))

    def create(self, name: str, data: Bytes) -> Tag:
        return self._conditional(name, data, "create")

    def swap(self, name: str, data: Bytes, tag: Tag) -> Tag:
        if self._place.scheme == "gs":  # a generation, which GCS takes as its condition
            return self._conditional(name, data, {"version": str(tag)})
        bare = self._etags == "unquoted"
        return self._conditional(name, data, {"e_tag": tag.strip('"') if bare else str(tag)})

    def delete(self, names: Iterable[str]) -> None:
        batch: list[str] = []
        for name in names:
            batch.append(name)
            if len(batch) == _DELETE_NAMES:
                self._delete(batch)
                batch = []
        if batch:
            self._delete(batch)

    def _delete(self, names: Sequence[str]) -> None:
        """All in few calls where the store can; one by one where it fails over names that are absent."""

        def delete() -> None:
            try:
                obstore.delete(self._store, names)
            except FileNotFoundError as error:
                if not self._is_absent(Reply.read(str(error))):
                    raise
                for name in names:
                    self._delete_one(name)

        self._workers.call(partial(self._harmless, delete, names[0], "delete"))

    def _delete_one(self, name: str) -> None:
        try:
            obstore.delete(self._store, name)
        except FileNotFoundError as error:
            if not self._is_absent(Reply.read(str(error))):
                raise

    # ------------------------------------------------------------------ links

    def signed(self, names: Sequence[str], seconds: int) -> Sequence[str]:
        """Raises Failure where there is no key to sign with, or none that can, and AuthError."""
        try:
            return list(obstore.sign(self._store, "GET", list(names), timedelta(seconds=seconds)))
        except (BaseError, OSError, ValueError, TypeError) as error:
            reply = Reply.read(str(error))
            if reply.about_credentials or reply.answered:
                raise refusal(reply, self._place, "read") from error
            raise Failure(
                f"nothing in {self.url} can be signed",
                kind="not-supported",
                cause=str(error).partition("\n")[0][:300],
                help="use a key of the store's own, and a bucket of S3, Google or Azure",
            ) from error

    # ------------------------------------------------------------------ calls

    def _conditional(self, name: str, data: Bytes, mode: _Mode) -> Tag:
        """Writes once. A try of which it is certain that nothing came of it is none."""
        return self._workers.call(partial(self._try_conditional, name, bytes(data), mode))

    def _try_conditional(self, name: str, data: bytes, mode: _Mode) -> Tag:
        for pause in self._pauses():
            try:
                done = obstore.put(self._store, name, data, mode=mode, use_multipart=False)
            except (BaseError, OSError) as error:
                reply = Reply.read(str(error))
                self._reached = self._reached or reply.answered
                self._judge(error, reply, name)
                if not reply.undone or not pause(reply):
                    raise refusal(reply, self._place, "write") from error
            else:
                self._reached = True
                return self._tag(done, name)
        raise AssertionError

    def _judge(self, error: Exception, reply: Reply, name: str) -> None:
        """Raises what a conditional write that failed has come to, unless it was refused or never sent."""
        if reply.status == 404 and not self._is_absent(reply):
            return
        late = isinstance(error, AlreadyExistsError | PreconditionError | FileNotFoundError)
        if late or reply.status in (409, 412):
            raise BlobChanged(name) from error
        if reply.unsent or reply.undone:
            return
        refused = reply.status is not None and 300 <= reply.status < 500 and not reply.passing
        if not refused and reply.status not in (501, 505, 507):
            raise InDoubt(f"{name}: {str(error).partition(chr(10))[0][:300]}") from error

    def _harmless(self, call: Callable[[], T], name: str, doing: str, short: bool = False) -> T:
        """Repeats a call that may be repeated, as long as it is worth it."""
        for pause in self._pauses():
            try:
                done = call()
            except (BaseError, OSError) as error:
                reply = Reply.read(str(error))
                self._reached = self._reached or reply.answered
                if short and reply.beyond_end:
                    raise _short(name) from error
                if isinstance(error, FileNotFoundError) and self._is_absent(reply):
                    raise BlobAbsent(name) from error
                if not reply.passing or not pause(reply):
                    raise refusal(reply, self._place, doing) from error
            else:
                self._reached = True
                return done
        raise AssertionError

    def _is_absent(self, reply: Reply) -> bool:
        """Whether a 404 is about the object. One without a code comes from something that is no bucket."""
        return reply.code in NO_OBJECT or reply.status is None

    def _pauses(self) -> Iterator[Callable[[Reply], bool]]:
        """Yields, for each try, a function that waits before the next one, or answers False: there is none."""
        began, pause = time.monotonic(), _FIRST_PAUSE_SECONDS

        def wait(reply: Reply) -> bool:
            patience = PATIENCE_SECONDS
            if reply.unsent and not self._reached:
                patience = min(patience, _UNREACHED_SECONDS)
            if time.monotonic() - began + pause > patience:
                return False
            time.sleep(pause * (0.5 + _jitter() / 2))
            return True

        while True:
            yield wait
            pause = min(2 * pause, _MOST_PAUSE_SECONDS)

    def _tag(self, meta: Mapping[str, Any], name: str) -> Tag:
        tag = meta.get("version" if self._place.scheme == "gs" else "e_tag")
        if tag is None:
            raise NotPermitted(
                f"{self.url} cannot hold a repository",
                kind="no-conditional-writes",
                cause=f"the store gives no tag for {name}",
                help=OTHER_STORE,
            )
        return Tag(str(tag))


def _short(name: str, end: int | None = None) -> IntegrityError:
    return IntegrityError(
        f"{name} ends before what was asked of it"
        if end is None
        else f"{name} ends at byte {end}, before what was asked of it",
        kind="short-object",
    )


# ---------------------------------------------------------------------- what is opened


def s3_blobs(
    bucket: str,
    prefix: str,
    options: Options,
    *,
    endpoint: str | None,
    ca: str | None,
    profile: Profile | None,
) -> ObjectBlobs:
    """A bucket of S3. Keys come from `profile`, or where that is None from the environment and this machine's
    role, as the library finds them. `ca` is a file of certificates in PEM. Raises UsageError, AuthError."""
    config: dict[str, Any] = {"conditional_put": "etag"}
    given = {
        "endpoint": endpoint,
        "aws_endpoint_url_s3": endpoint,
        "region": options.region or (profile.region if profile else None),
        "server_side_encryption": options.encryption,
        "sse_kms_key_id": options.kms_key,
        "skip_signature": options.anonymous or None,
        "request_payer": options.requester_pays or None,
        "disable_bulk_delete": not options.bulk_delete or None,
        "virtual_hosted_style_request": options.virtual_hosted or None,
    }
    config.update({name: value for name, value in given.items() if value is not None})
    if profile is not None and not options.anonymous:
        if profile.keys:
            config.update(profile.keys)
        else:
            config["credential_provider"] = _by_boto3(profile)
    url = f"s3://{bucket}" + (f"/{prefix}" if prefix else "")
    make = partial(S3Store, bucket, prefix=prefix or None, **config)
    return _opened(make, BucketPlace("s3", bucket, url, endpoint), options, ca)


def gs_blobs(bucket: str, prefix: str, options: Options, *, ca: str | None) -> ObjectBlobs:
    """A bucket of Google Cloud Storage; keys as the library finds them (GOOGLE_APPLICATION_CREDENTIALS)."""
    config: dict[str, Any] = {"skip_signature": True} if options.anonymous else {}
    if options.endpoint:
        config["base_url"] = options.endpoint
    url = f"gs://{bucket}" + (f"/{prefix}" if prefix else "")
    make = partial(GCSStore, bucket, prefix=prefix or None, **config)
    return _opened(make, BucketPlace("gs", bucket, url, options.endpoint), options, ca)


def az_blobs(container: str, prefix: str, options: Options, *, ca: str | None) -> ObjectBlobs:
    """A container of Azure; account and keys as the library finds them (AZURE_STORAGE_ACCOUNT_NAME)."""
    given = {
        "account_name": options.account,
        "endpoint": options.endpoint,
        "skip_signature": options.anonymous or None,
    }
    config: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    url = f"az://{container}" + (f"/{prefix}" if prefix else "")
    make = partial(AzureStore, container, prefix=prefix or None, **config)
    return _opened(make, BucketPlace("az", container, url, options.endpoint), options, ca)


def memory_blobs(name: str) -> ObjectBlobs:
    """A new bucket in this process's memory, for tests."""
    store = MemoryStore()
    return ObjectBlobs(store, lambda: store, BucketPlace("s3", name, f"bucket+memory://{name}"))


def _opened(
    make: Callable[..., Any], place: BucketPlace, options: Options, ca: str | None
) -> ObjectBlobs:
    client: dict[str, Any] = {
        "connect_timeout": f"{_CONNECT_SECONDS}s",
        "user_agent": f"mvc/{__version__}",
    }
    if place.endpoint is not None and place.endpoint.startswith("http://"):
        client["allow_http"] = True
    if ca is not None:
        try:
            with open(ca, "rb") as file:
                client["root_certificate"] = file.read()
        except OSError as error:
            raise UsageError(
                f"the certificates in {ca} cannot be read", cause=str(error.strerror).lower()
            ) from error

    def store(**limits: str) -> Any:
        try:
            return make(client_options={**client, **limits}, retry_config={"max_retries": 0})
        except (BaseError, ValueError, TypeError) as error:
            raise unopened(str(error), place, ca) from error

    whole = f"{_TRANSFER_SECONDS}s"
    questions = store(timeout=whole, read_timeout=f"{_SILENCE_SECONDS}s")
    return ObjectBlobs(questions, lambda: store(timeout=whole), place, etags=options.etags)


def _by_boto3(profile: Profile) -> Any:
    """Has boto3 find the keys of a profile that needs a role, single sign-on or a program for them."""
    export = f'eval "$(aws configure export-credentials --profile {profile.name} --format env)"'
    try:
        import boto3  # late: an extra
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError as error:
        raise AuthError(
            f"the profile {profile.name} needs boto3 for its keys",
            kind="credentials",
            cause=f"it has {profile.further or 'no keys of its own'}",
            help=f"pip install boto3, or {export}",
        ) from error
    try:
        return Boto3CredentialProvider(boto3.Session(profile_name=profile.name))
    except Exception as error:  # botocore has many kinds
        raise AuthError(
            f"the profile {profile.name} gives no keys",
            kind="credentials",
            cause=str(error).partition("\n")[0],
            help=f"aws sso login --profile {profile.name}, or {export}",
        ) from error
