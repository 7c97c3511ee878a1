"""A repository of the Hugging Face Hub: files read at one commit, and written in one.

The token is that of the environment variable `HF_TOKEN`, and no other; `HF_ENDPOINT` names another
Hub than huggingface.co. This file knows files, and not what they mean.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from londi.config.addresses import without_secrets
from londi.errors import DamagedFile, LondiError, OutputExists, extras_named, one_line

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

TOKEN = "HF_TOKEN"
"""Environment variable of the token."""
_OF_THE_HUB = (".gitattributes",)
"""Files that the Hub itself puts into a new repository."""


class HubRepository:
    """A model repository of the Hub.

    Args:
        name: ``owner/name``.

    Raises:
        MissingExtra: if the package `huggingface_hub` is not installed.
    """

    def __init__(self, name: str) -> None:
        with extras_named():
            from huggingface_hub import HfApi
            from huggingface_hub.utils.tqdm import disable_progress_bars
        disable_progress_bars()  # the files are small, and standard error is for errors
        self._name = name
        # False keeps the library from a token that a login has left on the disk.
        token = os.environ.get(TOKEN) or False
        self._api = HfApi(os.environ.get("HF_ENDPOINT") or None, token, library_name="londi")
        self._place = f"{name!r} of {without_secrets(self._api.endpoint)}"

    def commit(self, revision: str = "") -> str:
        """The commit that a branch, a tag or a commit stands for; by default the newest.

        Raises:
            LondiError: if there is no such repository or revision, or no Hub.
        """
        with self._errors(revision):
            return str(self._api.model_info(self._name, revision=revision or None).sha)

    def check_free(self, overwrite: bool) -> ModelInfo | None:
        """What the Hub says of the repository; None if there is none.

        Raises:
            OutputExists: if it holds files, and they may not be replaced.
            LondiError: if the Hub cannot be reached.
        """
        from huggingface_hub.errors import RepositoryNotFoundError

        with self._errors():
            try:
                found = self._api.model_info(self._name)
            except RepositoryNotFoundError:
                return None
        there = {one.rfilename for one in found.siblings or ()}
        if there.difference(_OF_THE_HUB) and not overwrite:
            raise OutputExists(f"{self._place} holds files; give --overwrite to replace them")
        return found

    def read(self, file: str, commit: str) -> bytes:
        """The content of `file` at a commit.

        Raises:
            DamagedFile: if there is no such file.
            LondiError: if the Hub cannot be reached.
        """
        with TemporaryDirectory() as aside, self._errors(commit, file):
            got = self._api.hf_hub_download(self._name, file, revision=commit, local_dir=aside)
            return Path(got).read_bytes()

    def write(
        self,
        folder: Path,
        files: Sequence[str],
        *,
        known: Sequence[str],
        message: str,
        public: bool = False,
        overwrite: bool = False,
    ) -> str:
        """Write files in one commit; the repository is made if there is none.

        Args:
            folder: where the files are.
            files: their names in the folder and in the repository.
            known: names of files that an earlier push may have left; those that are not among
                `files` are removed.
            message: of the commit.
            public: whether everybody may read a new repository.
            overwrite: replace what an earlier push left there.

        Returns:
            The commit.

        Raises:
            OutputExists: if there are files already, and they may not be replaced.
            LondiError: if it cannot be written; the repository is as it was, or empty.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        found = self.check_free(overwrite)
        with self._errors():
            if found is None:
                self._api.create_repo(self._name, private=not public)
                found = self._api.model_info(self._name)
            there = {one.rfilename for one in found.siblings or ()}
            changes: list[CommitOperationAdd | CommitOperationDelete] = [
                *(CommitOperationAdd(name, folder / name) for name in files),
                *(CommitOperationDelete(name) for name in sorted(there & {*known} - {*files})),
            ]
            # The Hub refuses it if somebody else has written there meanwhile.
            made = self._api.create_commit(
                self._name, changes, commit_message=message, parent_commit=found.sha
            )
        return str(made.oid)

    @contextmanager
    def _errors(self, revision: str = "", file: str = "") -> Iterator[None]:
        from huggingface_hub import errors

        try:
            yield
        except LondiError:
            raise
        except errors.HFValidationError as error:
            raise LondiError(f"expected a repository OWNER/NAME, got {self._name!r}") from error
        except errors.RevisionNotFoundError as error:
            raise LondiError(f"{self._place} has no revision {revision!r}") from error
        except errors.RemoteEntryNotFoundError as error:
            raise DamagedFile(f"{self._place} has no file {file!r}") from error
        except errors.RepositoryNotFoundError as error:
            raise LondiError(
                f"there is no repository {self._place}, or it is private and the token in {TOKEN}"
                " does not open it"
            ) from error
        except Exception as error:  # whatever the library and its HTTP client raise
            raise LondiError(
                f"cannot use the repository {self._place}: {one_line(error)}"
            ) from error
