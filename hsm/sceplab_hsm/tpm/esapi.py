"""A real TPM 2.0 through tpm2-pytss (ESAPI): the chip in a device, a laptop, or swtpm.

The binding is imported when the first chip is connected to; it comes with the extra ``tpm``.

Rule for everyone who changes this module: never take a part of a temporary. A structure of the
binding does not keep the one it is a part of alive, so ``context.sign(...).signature`` reads freed
memory; give the whole a name first.

Keys are authorised by password sessions: their authorisation value and decrypted content pass
between this process and the chip in clear, over a bus or a loopback socket.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.errors import ModuleMissingError, StoreUnavailableError
from sceplab_hsm.tpm.chip import KeyBlobs, LockoutState, TpmError, TpmGoneError
from sceplab_hsm.tpm.patience import (
    CONNECT_LIMIT_S,
    NoAnswerError,
    PatientContext,
    answer_within,
)
from sceplab_hsm.tpm.reach import missing_kind, unreachable

Result = TypeVar("Result")

_TEMPLATES = {
    KeyAlgorithm.RSA_2048: "rsa2048",
    KeyAlgorithm.RSA_3072: "rsa3072",
    KeyAlgorithm.RSA_4096: "rsa4096",
    KeyAlgorithm.EC_P256: "ecc256",
    KeyAlgorithm.EC_P384: "ecc384",
}
_LAYER_MASK = 0xFF0000
_CHIP_LAYERS = frozenset({0x000000, 0x0B0000})  # the chip, and a resource manager speaking for it
_ESYS_BAD_HANDLE = 0x070018
_TPM_BAD_HANDLE = 0x08B
_FIRST_TRANSIENT, _FIRST_PERSISTENT = 0x80000000, 0x81000000
_MANY_HANDLES = 254


class EsapiChip:
    """A connection to a TPM 2.0. Make it with `connect_esapi`.

    Args:
        binding: the module ``tpm2_pytss``.
        context: its open ``ESAPI``, with limits.
    """

    def __init__(self, binding: Any, context: Any) -> None:
        self._binding = binding
        self._context = context
        self._objects: dict[int, Any] = {}
        self._public_ders: dict[bytes, bytes] = {}
        self._algorithms: frozenset[KeyAlgorithm] | None = None

    def algorithms(self) -> frozenset[KeyAlgorithm]:
        """Key types that the chip makes."""
        if self._algorithms is None:
            self._algorithms = frozenset(filter(self._makes, KeyAlgorithm))
        return self._algorithms

    def transient_handles(self) -> list[int]:
        """Objects loaded at this moment; behind a resource manager those of this connection."""
        return self._handles_from(_FIRST_TRANSIENT)

    def persistent_handles(self) -> list[int]:
        """Objects that outlive a power cycle."""
        return self._handles_from(_FIRST_PERSISTENT)

    def create_storage_key(self) -> int:
        """Makes the storage primary in the owner hierarchy; gives its transient handle."""
        lib = self._binding
        attributes = _attributes(lib, "NODA", "RESTRICTED", "DECRYPT")
        public = lib.TPM2B_PUBLIC.parse("ecc256:aes128cfb", objectAttributes=attributes)
        with self._command("CreatePrimary"):
            made = self._context.create_primary(None, public)
        return self._remember(made[0])

    def evict_control(self, handle: int, persistent_handle: int) -> None:
        """Makes a loaded object persistent; with both handles equal, removes it."""
        target = self._object(handle)
        with self._command("EvictControl"):
            owner = self._binding.ESYS_TR.OWNER
            made = self._context.evict_control(owner, target, persistent_handle)
        if handle == persistent_handle:
            self._objects.pop(handle, None)
        else:
            self._objects[persistent_handle] = made

    def create(
        self, parent: int, algorithm: KeyAlgorithm, *, auth: bytes, dictionary_attack: bool
    ) -> KeyBlobs:
        """Makes a key that signs and, for RSA, decrypts: unrestricted, scheme NULL, fixed here."""
        lib = self._binding
        uses = ("SIGN_ENCRYPT", "DECRYPT") if algorithm.is_rsa else ("SIGN_ENCRYPT",)
        attributes = _attributes(lib, *uses, *(() if dictionary_attack else ("NODA",)))
        template = lib.TPM2B_PUBLIC.parse(_TEMPLATES[algorithm], objectAttributes=attributes)
        sensitive = lib.TPM2B_SENSITIVE_CREATE(lib.TPMS_SENSITIVE_CREATE(userAuth=auth))
        above = self._object(parent)
        with self._command("Create"):
            made = self._context.create(above, sensitive, template)
        private, public = made[0], made[1]
        return KeyBlobs(private=private.marshal(), public=public.marshal())

    def load(self, parent: int, blobs: KeyBlobs) -> int:
        """Loads a key into a transient slot; gives its handle."""
        lib = self._binding
        try:
            private, _ = lib.TPM2B_PRIVATE.unmarshal(blobs.private)
            public, _ = lib.TPM2B_PUBLIC.unmarshal(blobs.public)
        except lib.TSS2_Exception as error:
            raise TpmError("Load", 0x1DF) from error  # what the chip says of a damaged blob
        above = self._object(parent)
        with self._command("Load"):
            loaded = self._context.load(above, private, public)
        return self._remember(loaded)

    def flush(self, handle: int) -> None:
        """Frees a transient slot."""
        target = self._object(handle)
        try:
            with self._command("FlushContext"):
                self._context.flush_context(target)
        except (TpmError, TpmGoneError):
            self._forget(handle)
            raise
        del self._objects[handle]

    def public_key_der(self, handle: int) -> bytes:
        """The public half of a loaded key as SubjectPublicKeyInfo, DER.

        Raises:
            ValueError: it is no asymmetric key.
        """
        target = self._object(handle)
        with self._command("ReadPublic"):
            read = self._context.read_public(target)
        public = read[0]
        blob = public.marshal()
        if blob not in self._public_ders:
            if len(self._public_ders) >= _MANY_HANDLES:
                self._public_ders.clear()
            self._public_ders[blob] = bytes(public.to_der())
        return self._public_ders[blob]

    def sign(
        self, handle: int, digest: bytes, hash_name: str, *, scheme: str, auth: bytes
    ) -> bytes:
        """Signs a digest; ECDSA comes as DER."""
        lib = self._binding
        in_scheme = lib.TPMT_SIG_SCHEME(scheme=getattr(lib.TPM2_ALG, scheme.upper()))
        in_scheme.details.any.hashAlg = getattr(lib.TPM2_ALG, hash_name.upper())
        ticket = lib.TPMT_TK_HASHCHECK(tag=lib.TPM2_ST.HASHCHECK, hierarchy=lib.TPM2_RH.NULL)
        key = self._authorised(handle, auth)
        with self._command("Sign"):
            signature = self._context.sign(key, digest, in_scheme, ticket)
        return bytes(signature)

    def rsa_decrypt(
        self, handle: int, ciphertext: bytes, *, scheme: str, hash_name: str = "", auth: bytes
    ) -> bytes:
        """Decrypts with a loaded RSA key."""
        lib = self._binding
        in_scheme = lib.TPMT_RSA_DECRYPT(scheme=getattr(lib.TPM2_ALG, scheme.upper()))
        if hash_name:
            in_scheme.details.oaep.hashAlg = getattr(lib.TPM2_ALG, hash_name.upper())
        key = self._authorised(handle, auth)
        with self._command("RSA_Decrypt"):
            opened = self._context.rsa_decrypt(key, ciphertext, in_scheme)
        return bytes(opened)

    def get_random(self, count: int) -> bytes:
        """Random bytes: also the probe whether the chip is alive."""
        with self._command("GetRandom"):
            made = self._context.get_random(count)
        return bytes(made)

    def lockout_state(self) -> LockoutState:
        """Reads the dictionary-attack counter."""
        lib = self._binding
        first = lib.TPM2_PT.LOCKOUT_COUNTER
        with self._command("GetCapability"):
            got = self._context.get_capability(lib.TPM2_CAP.TPM_PROPERTIES, first, 3)
        capability = got[1]
        data = capability.data
        properties = data.tpmProperties
        value = {int(item.property): int(item.value) for item in properties}
        return LockoutState(
            failed_tries=value[int(first)],
            max_tries=value[int(lib.TPM2_PT.MAX_AUTH_FAIL)],
            recovery_s=value[int(lib.TPM2_PT.LOCKOUT_INTERVAL)],
        )

    def clear_lockout(self, lockout_auth: bytes) -> None:
        """Resets the counter with the lockout hierarchy's authorisation."""
        lockout = self._binding.ESYS_TR.LOCKOUT
        self._context.tr_set_auth(lockout, lockout_auth)
        with self._command("DictionaryAttackLockReset"):
            self._context.dictionary_attack_lock_reset(lockout)

    def shutdown(self) -> None:
        """Orderly end (``TPM2_Shutdown(CLEAR)``): the next start does not count as an attack."""
        with self._command("Shutdown"):
            self._context.shutdown(self._binding.TPM2_SU.CLEAR)

    def close(self) -> None:
        """Drops the connection; loaded objects stay where they are."""
        self._objects.clear()
        self._context.close()

    def _makes(self, algorithm: KeyAlgorithm) -> bool:
        lib = self._binding
        template = lib.TPMT_PUBLIC.parse(_TEMPLATES[algorithm])
        parameters = lib.TPMT_PUBLIC_PARMS(type=template.type, parameters=template.parameters)
        try:
            with self._command("TestParms"):
                self._context.test_parms(parameters)
        except TpmError:
            return False
        return True

    def _handles_from(self, first: int) -> list[int]:
        handles = self._binding.TPM2_CAP.HANDLES
        with self._command("GetCapability"):
            got = self._context.get_capability(handles, first, _MANY_HANDLES)
        capability = got[1]
        data = capability.data
        found = data.handles
        return [int(handle) for handle in found]

    def _object(self, handle: int) -> Any:
        """The library's own name for an object, asked of the chip when it is not ours."""
        if handle not in self._objects:
            with self._command("ReadPublic"):
                self._objects[handle] = self._context.tr_from_tpmpublic(handle)
        return self._objects[handle]

    def _remember(self, made: Any) -> int:
        handle = int.from_bytes(self._context.tr_serialize(made)[:4], "big")
        self._forget(handle)
        self._objects[handle] = made
        return handle

    def _forget(self, handle: int) -> None:
        """Gives back what the library keeps of an object that somebody else has flushed."""
        stale = self._objects.pop(handle, None)
        if stale is not None:
            with contextlib.suppress(self._binding.TSS2_Exception):
                self._context.tr_close(stale)

    def _authorised(self, handle: int, auth: bytes) -> Any:
        key = self._object(handle)
        self._context.tr_set_auth(key, auth)
        return key

    @contextlib.contextmanager
    def _command(self, name: str) -> Iterator[None]:
        """Translates what the library raises."""
        if self._context.is_closed():
            raise TpmGoneError("the connection is closed")
        try:
            yield
        except self._binding.TSS2_Exception as error:
            raise translated(name, int(error.rc)) from error


def translated(command: str, return_code: int) -> TpmError | TpmGoneError:
    """Our error for a return code of the library.

    Args:
        command: without ``TPM2_``.
        return_code: its second byte tells which layer speaks.
    """
    if return_code & _LAYER_MASK in _CHIP_LAYERS:
        return TpmError(command, return_code & 0xFFFF)
    if return_code == _ESYS_BAD_HANDLE:
        return TpmError(command, _TPM_BAD_HANDLE)
    return TpmGoneError(f"TPM2_{command}: the way to the chip failed (0x{return_code:x})")


def connect_esapi(tcti: str) -> EsapiChip:
    """Connects to a TPM.

    Args:
        tcti: as the TSS names connections, for example ``device:/dev/tpmrm0`` or
            ``swtpm:host=127.0.0.1,port=2321``.

    Raises:
        ModuleMissingError: the binding or the library of this kind of connection is missing.
        KeyStoreError: nobody answers; of the kind that `unreachable` finds.
    """
    binding = load_binding()
    name = tcti.partition(":")[0]
    if not binding.TCTILdr.is_available(name):
        raise missing_kind(name)
    try:
        context = answer_within(
            CONNECT_LIMIT_S,
            lambda: binding.ESAPI(tcti),
            lambda call: call.add_done_callback(_close_late),
        )
    except binding.TSS2_Exception as error:
        raise unreachable(tcti, int(error.rc)) from error
    except NoAnswerError as error:
        raise StoreUnavailableError(
            f"no TPM answers at {tcti}: something is there and was silent for "
            f"{CONNECT_LIMIT_S:g} s; look at it and restart it"
        ) from error
    return EsapiChip(binding, PatientContext(context))


def _close_late(call: Future[Any]) -> None:
    if call.exception() is None:
        call.result().close()


def load_binding() -> Any:
    """The module ``tpm2_pytss``.

    Raises:
        ModuleMissingError: it, or the TSS it is built against, is not installed.
    """
    if "TSS2_LOG" not in os.environ:
        # The libraries print every refusal on standard error; ours say it better. Not through
        # os.environ, which is passed on to programs that somebody may want to hear.
        os.putenv("TSS2_LOG", "all+NONE")
    try:
        import tpm2_pytss
    except (ImportError, NotImplementedError) as error:
        raise ModuleMissingError(
            "key stores 'tpm:' need the extra `tpm`: in a clone scripts/bootstrap.sh tpm, else "
            "pip install 'sceplab[tpm]'; it is compiled at installation, on Debian first: "
            "apt-get install gcc libc6-dev python3-dev pkg-config libtss2-dev libtss2-tcti-swtpm0"
        ) from error
    return tpm2_pytss


def _attributes(binding: Any, *more: str) -> Any:
    names = ("FIXEDTPM", "FIXEDPARENT", "SENSITIVEDATAORIGIN", "USERWITHAUTH", *more)
    value = 0
    for name in names:
        value |= int(getattr(binding.TPMA_OBJECT, name))
    return binding.TPMA_OBJECT(value)
