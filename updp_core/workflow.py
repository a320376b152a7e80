"""The Workbench: every verb of the product, for the page and for the command line alike.

`ui/` and `updp_core/__main__.py` call this class and nothing below it. Each verb takes an `Actor`, is
checked against `ROLE_VERBS`, and is one transaction with its audit event. A refusal is audited too.
Results are the plain shapes of `updp_core.workbench.shapes`.

The verbs stand in the order in which a pair goes through the house; what each does is in `updp_core/workbench/`, one
module a concern, and this file holds what a caller must know.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from updp_core.config import Settings
from updp_core.domain import Actor, Audience, Role, Verdict
from updp_core.workbench import (
    audit,
    drafts,
    flags,
    grades,
    heat_maps,
    holds,
    insight,
    lexicons,
    models,
    pairs,
    policy,
    queue,
    releases,
    runs,
    shapes,
    studies,
    verdicts,
    word_pieces,
)
from updp_core.workbench.roles import PHI_ROLES, ROLE_VERBS, may, refuse
from updp_core.workbench.shapes import Filters, ImageKind, Progress, Sort

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from updp_core.workbench.desk import Desk

__all__ = ["PHI_ROLES", "ROLE_VERBS", "Actor", "Filters", "Progress", "Workbench", "may"]
Terms = Mapping[str, Mapping[str, Sequence[str]]]
"""List name ("blacklist", "whitelist") -> category -> terms."""
F = TypeVar("F", bound=Callable[..., Any])


def verb(function: F) -> F:
    """A method whose keyword `actor` must carry the verb of the method's name; a refusal is audited."""
    name = function.__name__

    @functools.wraps(function)
    def checked(self: Workbench, *args: Any, actor: Actor, **kwargs: Any) -> Any:
        if not may(actor, name):
            self.desk.audit_refusal(actor, name)
            raise refuse(actor, name)
        return function(self, *args, actor=actor, **kwargs)

    return cast(F, checked)


class Workbench:
    """One workspace, open. Safe to share between threads; several processes may open the same workspace.

    Errors that any verb may raise: NotAllowed (role), UsageError (unknown record, impossible value),
    Conflict (the state changed or does not permit the verb). Verbs that return an iterator check the role
    at once, work as it is consumed, and give the outcome in the last Progress's `result`.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    @classmethod
    def open(cls, settings: Settings) -> Workbench:
        """Open the workspace in `settings.home`; create it (mode 0700, lexicon version 1) where there is none."""
        from updp_core.workbench.desk import Desk

        return cls(Desk.open(settings))

    def close(self) -> None:
        """Close the database; open iterators become invalid."""
        self.desk.close()

    # --- studies in, candidates made ---

    @verb
    def import_(
        self, source: Path, *, actor: Actor, layout: str = "auto", columns: Mapping[str, str] | None = None
    ) -> Iterator[Progress]:
        """Read studies from a file or folder. `preview` is each new record's id.

        Result: {"imported": n, "duplicates": n, "rejected": [{"source", "reason"}], "without_report": [source]}.
        """
        return studies.import_(self.desk, source, actor, layout, columns)

    @verb
    def generate(
        self,
        *,
        actor: Actor,
        method: str | None = None,
        limit: int | None = None,
        batch_size: int = 8,
        seed: int = 0,
        records: Sequence[str] | None = None,
        retry_failed: bool = False,
        prompt: Mapping[str, Any] | None = None,
        generation: Mapping[str, Any] | None = None,
    ) -> Iterator[Progress]:
        """Work through the queue (new, void, to be regenerated); may be stopped or killed and started again.

        `prompt` and `generation` override fields of PromptConfig and GeneratorConfig. `records` narrows the
        queue to these. Result: {"generated": n, "failed": [{"record", "reason"}], "seconds": s, "run": id,
        "stopped": bool}. Raises ModelUnavailable where a model is missing.
        """
        options = runs.Options(
            method or self.desk.settings.method, limit, batch_size, seed, records, retry_failed, prompt, generation
        )
        return runs.generate(self.desk, options, actor)

    @verb
    def runs(self, *, actor: Actor, limit: int = 20) -> list[shapes.Run]:
        """Generate runs of every process on this workspace, newest first."""
        return runs.runs(self.desk, limit)

    @verb
    def control(self, run: int, wish: str, *, actor: Actor) -> shapes.Run:
        """`wish` is "pause", "resume" or "stop"; a run heeds it between two batches."""
        return runs.control(self.desk, run, wish, actor)

    @verb
    def methods(self, *, actor: Actor) -> list[dict[str, Any]]:
        """[{"name", "title", "releasable", "available", "remedy"}] of every method and whether it can run here."""
        return runs.methods(self.desk)

    # --- look: the queue, a pair, its images, the numbers behind it ---

    @verb
    def page(
        self, *, actor: Actor, filters: Filters = Filters(), sort: Sort = "imported", offset: int = 0, limit: int = 50
    ) -> shapes.Page:
        """A slice of the queue. `limit` is at most 500."""
        return queue.page(self.desk, filters, sort, offset, limit, actor)

    @verb
    def counts(self, *, actor: Actor) -> shapes.Counts:
        """How many records stand where, and who has done what."""
        return queue.counts(self.desk, actor)

    @verb
    def gate_values(self, name: str, *, actor: Actor, method: str | None = None, limit: int = 5000) -> list[float]:
        """Values of one gate over the current candidates (a random part of them beyond `limit`), for a small plot."""
        return queue.gate_values(self.desk, name, method, limit)

    @verb
    def gate_rules(self, *, actor: Actor) -> list[shapes.GateRule]:
        """Every gate: its title, limit and action under the policy in force, and its defaults."""
        return grades.rules(self.desk.policy())

    @verb
    def evaluation(self, *, actor: Actor) -> dict[str, Any]:
        """The measured figures of the starter models.

        {"rows": [{"name", "part", "measure", "value", "interval", "bar", "n", "missed"}], "how", "date", "seed",
        "missed": [name], "models": [{"part", "measured", "used", "same"}]}: digests of the models measured and of those
        in use here ("" where another model is used).
        """
        return models.evaluation(self.desk)

    @verb
    def insight(self, *, actor: Actor) -> dict[str, Any]:
        """Numbers behind the page of plots, without PHI.

        {"candidates": [{"record", "method", "lexicon_version", "state", gate name: value, ...}] (at most 5,000),
        "decisions": [{"day", "reviewer", "verdict", "count"}], "throughput": [{"hour", "generated"}],
        "lexicon": [{"version", "created_at", "voided"}], "agreement": {"pairs", "kappa", "agree"}}.
        """
        return insight.insight(self.desk)

    @verb
    def show(self, record: str, *, actor: Actor) -> shapes.Detail:
        """All about one record. PHI is kept back from roles that do not need it."""
        return pairs.show(self.desk, record, actor)

    @verb
    def candidate(self, candidate: int, *, actor: Actor) -> shapes.CandidateRow:
        """One candidate in full (for a contact sheet)."""
        return pairs.candidate(self.desk, candidate, actor)

    @verb
    def image(
        self, record: str, kind: ImageKind, *, actor: Actor, candidate: int | None = None
    ) -> NDArray[np.uint16] | NDArray[np.uint8]:
        """The original (uint16) or a candidate's image (uint8), (H, W), at full size and depth."""
        return pairs.image(self.desk, record, kind, candidate, actor)

    @verb
    def heat_map(self, record: str, finding: str, *, actor: Actor, candidate: int | None = None) -> shapes.HeatMap:
        """Where the finding classifier looked for one finding, in the images that the actor may see; computed anew.

        It tells of the classifier, not of the patient. ModelUnavailable without judges.
        """
        return heat_maps.heat_map(self.desk, record, finding, candidate, actor)

    # --- judge: verdicts, flags, other versions ---

    @verb
    def decide(
        self,
        record: str,
        verdict: Verdict,
        *,
        actor: Actor,
        comment: str = "",
        reasons: Sequence[str] = (),
        overrides: Sequence[str] = (),
        candidate: int | None = None,
        expected_revision: int | None = None,
    ) -> shapes.Detail:
        """Approve, reject or send back for regeneration; returns the record as it then stands.

        `candidate` and `expected_revision` name what the reviewer saw; Conflict where it is no longer so.
        `overrides` names blocking gates that this approval overrides; it needs a comment, and hard gates
        (residual PHI, a forbidden prompt) cannot be overridden. Approving needs a pending candidate of a
        releasable method. A rejection by somebody else is overruled only with a comment.
        """
        return verdicts.decide(
            self.desk, record, verdict, actor, comment, reasons, overrides, candidate, expected_revision
        )

    @verb
    def undo(self, *, actor: Actor, record: str | None = None) -> shapes.Detail:
        """Take back the actor's own last standing verdict, flag or clearing of a flag (of this record, or of all).

        The book is append-only: it is a new entry.
        """
        return verdicts.undo(self.desk, record, actor)

    @verb
    def flag(
        self, record: str, reason: str, *, actor: Actor, audience: Audience = "anybody", candidate: int | None = None
    ) -> shapes.Detail:
        """Mark a pair for the attention of a role (or anybody), with a reason, without deciding it.

        While a flag is open the pair stays out of releases and of `approve_all`; single verdicts are as before.
        `undo` takes a flag back. Conflict where `candidate` (what the reviewer saw) is no longer current.
        """
        return flags.flag(self.desk, record, reason, audience, candidate, actor)

    @verb
    def clear_flag(self, record: str, flag: int, comment: str, *, actor: Actor) -> shapes.Detail:
        """Settle an open flag, saying what came of it: by the role that it asks, or by who raised it."""
        return flags.clear(self.desk, record, flag, comment, actor)

    @verb
    def approve_preview(self, *, actor: Actor, filters: Filters = Filters(), sample: int = 12) -> dict[str, Any]:
        """{"number": n, "sample": [record], "left_out": n}: what approve_all would approve."""
        return verdicts.approve_preview(self.desk, filters, sample, actor)

    @verb
    def approve_all(
        self, *, actor: Actor, expected_number: int, filters: Filters = Filters(), comment: str = ""
    ) -> dict[str, int]:
        """Approve every pending pair of the filter with all gates clear and no open flag: {"approved": n}.

        Conflict where the number is not `expected_number`, the one that the reviewer confirmed.
        """
        return verdicts.approve_all(self.desk, filters, expected_number, comment, actor)

    @verb
    def regenerate(
        self,
        record: str,
        *,
        actor: Actor,
        seeds: Sequence[int] = (),
        method: str | None = None,
        prompt: Mapping[str, Any] | None = None,
        generation: Mapping[str, Any] | None = None,
    ) -> Iterator[Progress]:
        """Make a candidate for each seed now (one with a fresh seed by default), with other settings or another method.

        The method is by default that of the current candidate. The one with the lowest risk becomes current; `choose`
        takes another. Earlier candidates stay in the history. Result: {"record", "candidates": [id], "current": id,
        "failed": [reason]}.
        """
        return runs.regenerate(self.desk, record, seeds, method, prompt, generation, actor)

    @verb
    def compare(self, record: str, *, actor: Actor, seed: int | None = None) -> Iterator[Progress]:
        """Make a candidate by each method that can run here, with one seed, to be looked at side by side.

        The current candidate stays current. Result as of `regenerate`.
        """
        return runs.compare(self.desk, record, seed, actor)

    @verb
    def choose(self, record: str, candidate: int, *, actor: Actor) -> shapes.Detail:
        """Make another candidate of this record current. Verdicts belong to the candidate that they were given on."""
        return verdicts.choose(self.desk, record, candidate, actor)

    @verb
    def reproduce(self, candidate: int, *, actor: Actor) -> dict[str, Any]:
        """Run the candidate's recorded method, settings, lexicon and seed again and compare.

        {"same_models": bool, "same_prompt": bool, "same_image": bool, "prompt_text": str}.
        """
        return runs.reproduce(self.desk, candidate, actor)

    # --- one's own desk: pairs in hand, drafts, saved views ---

    @verb
    def take(self, record: str, *, actor: Actor, minutes: int = 10) -> str:
        """Hold a record (or go on holding it) so that nobody else gets it, and let go of any other.

        Raises Conflict where somebody else holds it.
        """
        return holds.take(self.desk, record, actor, minutes)

    @verb
    def take_next(
        self,
        *,
        actor: Actor,
        filters: Filters = Filters(),
        sort: Sort = "imported",
        after: str | None = None,
        back: bool = False,
        minutes: int = 10,
    ) -> str | None:
        """Hold and return the next record of the queue (after `after`) that nobody else holds; None at its end.

        Lets go of what was held before. `back` walks the other way. A pair that the actor has approved and that
        waits for somebody else's approval is passed over, unless the filter searches for a text.
        """
        return holds.take_next(self.desk, filters, sort, after, back, actor, minutes)

    @verb
    def upcoming(
        self, after: str, *, actor: Actor, filters: Filters = Filters(), sort: Sort = "imported", limit: int = 2
    ) -> list[dict[str, Any]]:
        """What `take_next` would give after `after`, without holding it: [{"record", "candidate"}], to load ahead."""
        return holds.upcoming(self.desk, filters, sort, after, limit, actor)

    @verb
    def release_hold(self, *, actor: Actor, record: str | None = None) -> int:
        """Let go of one record, or of all that the actor holds; how many."""
        return holds.release_hold(self.desk, record, actor)

    @verb
    def save_draft(self, record: str, draft: Mapping[str, Any], *, actor: Actor) -> None:
        """Keep the actor's unfinished comment and reasons for a record; an empty draft removes it. Read in `show`."""
        holds.save_draft(self.desk, record, draft, actor)

    @verb
    def views(self, *, actor: Actor) -> list[shapes.SavedView]:
        """The actor's saved views and the shared ones."""
        return holds.views(self.desk, actor)

    @verb
    def save_view(
        self, name: str, *, actor: Actor, filters: Filters = Filters(), sort: Sort = "imported", shared: bool = False
    ) -> None:
        """Save a filter under a name; the same name of the same person is replaced."""
        holds.save_view(self.desk, name, filters, sort, shared, actor)

    @verb
    def delete_view(self, name: str, *, actor: Actor) -> None:
        """Remove one of the actor's own views."""
        holds.delete_view(self.desk, name, actor)

    # --- words: the lexicons, what an edit would do, the report filter ---

    @verb
    def lexicon_current(self, *, actor: Actor) -> shapes.LexiconView:
        """The version in force."""
        return lexicons.show(self.desk, None)

    @verb
    def lexicon_show(self, version: int, *, actor: Actor) -> shapes.LexiconView:
        """Any version."""
        return lexicons.show(self.desk, version)

    @verb
    def lexicon_log(self, *, actor: Actor) -> list[shapes.LexiconRow]:
        """All versions, newest first."""
        return lexicons.log(self.desk)

    @verb
    def lexicon_diff(self, a: int, b: int, *, actor: Actor) -> shapes.LexiconDiff:
        """What version b has more and less than version a."""
        return lexicons.diff(self.desk, a, b)

    @verb
    def lexicon_impact(self, *, actor: Actor, add: Terms | None = None, remove: Terms | None = None) -> shapes.Impact:
        """What an edit would do, before it is saved."""
        return lexicons.impact(self.desk, add or {}, remove or {})

    @verb
    def lexicon_pieces(self, *, actor: Actor, add: Terms | None = None, remove: Terms | None = None) -> shapes.Pieces:
        """Which word pieces of the encoder an edit masks or frees. Reads the encoder's tokenizer, no weights.

        ModelUnavailable where it is not on this machine.
        """
        return word_pieces.pieces(self.desk, add or {}, remove or {})

    @verb
    def lexicon_draft(self, *, actor: Actor) -> shapes.LexiconDraft:
        """The actor's unsaved changes of the lists."""
        return drafts.draft(self.desk, actor)

    @verb
    def save_lexicon_draft(
        self,
        *,
        actor: Actor,
        add: Terms | None = None,
        remove: Terms | None = None,
        comment: str = "",
        version: int | None = None,
    ) -> None:
        """Keep the actor's unsaved changes in place of those before; none of them and no comment discards them.

        `version` is the one that the first of them was begun on (by default the one in force).
        """
        drafts.save_draft(self.desk, add or {}, remove or {}, comment, version, actor)

    @verb
    def lexicon_edit(
        self,
        *,
        actor: Actor,
        comment: str,
        add: Terms | None = None,
        remove: Terms | None = None,
        expected_version: int | None = None,
    ) -> dict[str, Any]:
        """Save a new version and void what it forbids, in one transaction: {"version": n, "impact": Impact}.

        LexiconError where the edit changes nothing or is invalid; Conflict where `expected_version` is not current.
        """
        return lexicons.edit(self.desk, add or {}, remove or {}, comment, expected_version, actor)

    @verb
    def lexicon_revert(self, version: int, *, actor: Actor, comment: str) -> dict[str, Any]:
        """Save a new version with the content of an old one; as lexicon_edit."""
        return lexicons.revert(self.desk, version, comment, actor)

    @verb
    def filter_text(
        self, text: str, *, actor: Actor, header: Mapping[str, Sequence[str]] | None = None
    ) -> dict[str, Any]:
        """Filter any report text under the current lexicon and policy: {"text", "spans": [{start, end, rule, ...}]}."""
        return lexicons.filter_text(self.desk, text, header)

    # --- what leaves the house, and answering for it ---

    @verb
    def release_preview(self, *, actor: Actor) -> shapes.ReleasePreview:
        """What would leave the house now, and what would not and why."""
        return releases.preview(self.desk)

    @verb
    def release(self, out: Path, *, actor: Actor, comment: str = "") -> Iterator[Progress]:
        """Write the approved pairs to a new folder `out`; all or nothing.

        Result: {"release": id, "folder": str, "released": n, "manifest_sha256": str}. ReleaseError where nothing is
        approved or a check fails; Conflict where an approval fell while the release was written.
        """
        return releases.release(self.desk, out, comment, actor)

    @verb
    def releases(self, *, actor: Actor) -> list[shapes.ReleaseRow]:
        """Every release of this workspace, newest first."""
        return releases.releases(self.desk)

    @verb
    def verify(self, out: Path, *, actor: Actor) -> dict[str, Any]:
        """Check a release folder to the byte: {"ok": bool, "problems": [str]}."""
        return releases.verify(self.desk, out, actor)

    @verb
    def audit(
        self, *, actor: Actor, offset: int = 0, limit: int = 50, verb: str | None = None, who: str | None = None
    ) -> shapes.AuditPage:
        """The audit trail, newest first, of one verb or one person where asked."""
        return audit.page(self.desk, offset, limit, verb, who)

    @verb
    def audit_verify(self, *, actor: Actor) -> shapes.AuditReport:
        """Recompute the chain and hold every decision, candidate and lexicon version to it."""
        return audit.verify(self.desk)

    # --- rules and people ---

    @verb
    def policy(self, *, actor: Actor) -> shapes.Policy:
        """What is in force."""
        return self.desk.policy()

    @verb
    def set_policy(self, changes: Mapping[str, Any], *, actor: Actor, comment: str = "") -> shapes.Policy:
        """Change some fields of the policy; records' states follow at once."""
        return policy.set_policy(self.desk, changes, comment, actor)

    @verb
    def users(self, *, actor: Actor) -> list[dict[str, str]]:
        """[{"name", "role", "by"}] of the users file."""
        return policy.users(self.desk)

    @verb
    def add_user(self, name: str, role: str, password: str | None, *, actor: Actor, by: str = "password") -> None:
        """Add a user, or give a new role and password. `by` "oauth" or "proxy": such a person has no password here."""
        policy.add_user(self.desk, name, role, password, by, actor)

    @verb
    def remove_user(self, name: str, *, actor: Actor) -> None:
        """Remove a user; what they decided stays."""
        policy.remove_user(self.desk, name, actor)

    # --- at the door: nobody is known yet, so these check no role ---

    def sign_in(self, name: str, password: str, address: str = "") -> Actor | None:
        """The actor behind a name and password, or None. Rate limited; failures are audited. Takes no actor."""
        return policy.sign_in(self.desk, name, password, address)

    def sign_in_outside(self, name: str, by: str, account: str = "", address: str = "") -> Actor:
        """The actor for whom a sign-in service ("oauth") or a proxy ("proxy") vouches; the role is ours.

        Takes no actor. `account` is the service's own mark of the account: a name whose account changes is refused.
        Raises NotAllowed with a sentence for that person; refusals are audited.
        """
        return policy.sign_in_outside(self.desk, name, by, account, address)

    def standing(self, name: str) -> tuple[Role, str] | None:
        """A signed-in person's role, and a mark that changes when an administrator changes anything about them."""
        return policy.standing(self.desk, name)

    def ways(self) -> set[str]:
        """The ways in which somebody signs in here: "password", "oauth", "proxy"."""
        return {user["by"] for user in policy.users(self.desk)}

    def sign_out(self, reason: str = "asked", *, actor: Actor) -> None:
        """Note that a sign-in has ended, and why."""
        policy.sign_out(self.desk, actor, reason)

    def at_the_door(self, verb: str, subject: str, address: str) -> None:
        """Note a request that was turned away before anybody was known. Takes no actor."""
        policy.at_the_door(self.desk, verb, subject, address)
