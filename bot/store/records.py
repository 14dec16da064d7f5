"""What the store returns: frozen records. Times are Unix seconds, ids of Discord are snowflakes."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from trainer.contract.adapter_headers import AdapterIdentity
from trainer.contract.drawings import AdapterKind, Drawing, DrawingSettings, Grid, Source
from trainer.contract.events import PROPOSED_WEIGHTS, Candidate
from trainer.contract.merges import Work
from trainer.contract.names import Lane, Wish
from trainer.contract.requests import Kind, Method, Recipe

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
FINAL_STATES: frozenset[State] = frozenset({"succeeded", "failed", "cancelled"})

CardState = Literal["pending", "posted", "private", "lost"]
"""pending: not posted yet; private: ephemeral, so only the token can edit it; lost: given up, the worker posts anew."""

Hold = Literal["review", "paused"]
"""Why a waiting job goes to no worker: its member has to say something to its photos first, or has paused it."""

Origin = Literal["trained", "imported", "merged"]
"""Where an adapter comes from."""

Likeness = Literal["none", "self", "other"]
"""Whether an adapter is the likeness of a real person: of its owner, or of somebody else."""

NoteKind = Literal["delivered", "failed", "cancelled", "ping", "paused"]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all records."""


class TrainSpec(Record, tag="train", frozen=True):
    """What a training is to do."""

    adapter_id: str
    name: str
    trigger: str
    class_word: str
    kind: Kind
    photos: tuple[str, ...]  # blob paths
    captions: tuple[str | None, ...]
    focuses: tuple[tuple[float, float] | None, ...] = ()  # per photo: what a crop keeps in the middle
    recipe: Recipe = Recipe()
    keep_photos_days: int | None = None  # after success, for a continuation; None: not at all
    continues: str | None = None  # id of the adapter that goes on learning; ``adapter_id``, too, if it is replaced
    continue_from: str | None = None  # blob of that adapter
    likeness: Likeness = "none"


class AdapterPick(Record, frozen=True):
    """An adapter in a prompt, as it was when the prompt was accepted."""

    adapter_id: str
    written: str  # the name as the member wrote it: ``thnos`` or ``ada/thnos``
    blob: str
    weight: float
    kind: AdapterKind = "lora"
    trigger: str = ""  # the word that it answers to
    tagged: bool = True  # False: a textual inversion whose bare trigger word stands in the prompt
    te_weight: float | None = None  # on the text encoders; None: as `weight`
    words: str = ""  # trigger words that are offered and not put in, for it was brought in; empty: none are


class ImagineSpec(Record, tag="imagine", frozen=True):
    """What is to be drawn: ``drawings`` as a worker gets them, the rest as the member asked for them."""

    prompt_written: str
    negative_prompt: str
    adapters: tuple[AdapterPick, ...]
    seed: int
    count: int
    drawings: tuple[Drawing, ...]
    settings: DrawingSettings = DrawingSettings()
    source: Source | None = None
    grid: Grid | None = None
    exact: bool = False
    strict: bool = False  # whether the trigger was kept out of the prompt
    ignored: tuple[str, ...] = ()  # what of the prompt or of pasted settings has no effect, a sentence each
    writer_id: int | None = None  # whose names stand in the drawings' templates; None: whoever ordered

    @property
    def prompt(self) -> str:
        """Of the first picture, as used."""
        return self.drawings[0].prompt

    def picks(self, place: int) -> tuple[AdapterPick, ...]:
        """The adapters of one of the pictures."""
        uses = {(use.name, use.weight, use.te_weight, use.blob) for use in self.drawings[place].adapters}
        return tuple(pick for pick in self.adapters if (pick.written, pick.weight, pick.te_weight, pick.blob) in uses)


class Hung(Record, frozen=True):
    """A picture in a server's showcase, and the message that shows it."""

    guild_id: int
    job_id: str
    position: int
    channel_id: int
    message_id: int


class Parent(Record, frozen=True):
    """What an adapter was made of, and stands in its lineage, whatever becomes of it."""

    adapter_id: str
    owner_id: int
    name: str  # owner/name@version, as it was
    weight: float | None = None


class MergeSpec(Record, tag="merge", frozen=True):
    """What is made of others, or written in another form."""

    work: Work
    name: str  # of what it makes; of an export, the exported one's
    parents: tuple[Parent, ...]  # members' adapters and checkpoints; bases are none
    adapter_id: str = ""  # of what it makes; an export makes none
    method: Method = "lora"  # how one trains what comes out like this
    subject_kind: Kind = "subject"
    trigger: str = ""
    class_word: str = ""
    trigger_words: tuple[str, ...] = ()  # the other parents'

    @property
    def is_export(self) -> bool:
        """Whether a file for its owner is all that comes of it."""
        return not self.adapter_id


Spec = TrainSpec | ImagineSpec | MergeSpec


class Job(Record, frozen=True, kw_only=True):
    """One accepted request. Its id is the interaction's id, so that accepting twice changes nothing."""

    id: str
    lane: Lane
    state: State
    base: str
    spec: Spec
    owner_id: int
    owner_name: str
    guild_id: int | None
    channel_id: int
    upload_limit_bytes: int
    token: str | None  # the interaction's token while the card is pending or private; good for 15 minutes
    card: CardState = "pending"
    message_id: int | None = None  # the card; after a delivery the message that holds the result
    card_posted_at: float | None = None
    attempt: int = 0  # 0: never handed out
    tries: int = 0  # attempts that ended through a fault of the job's own child
    outstanding: bool = False  # in the workers' hands
    created_at: float
    handed_out_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    cancel_requested_at: float | None = None
    held: Hold | None = None
    held_at: float | None = None
    wish: Wish | None = None  # "pause" is of the present attempt; "finish" outlives it
    wish_step: int = 0  # how far the training was when that was wished
    paused_step: int | None = None  # where a training that waits goes on; None or 0: at its beginning
    paused_steps: int | None = None
    error: str | None = None  # written for the member
    reference: str | None = None
    explicit_allowed: bool = False  # it came from a channel that may show what is explicit, and shows no real person
    refused: bool = False  # what came of it may not be shown: the error is for the member alone
    cost_s: float = 1.0  # GPU seconds: as thought when it was accepted; once it is over, as measured
    weight: float = 1.0  # of its member's share: twice the weight, twice the seconds

    @property
    def train(self) -> TrainSpec:
        """The spec of a training. Raises TypeError for another job."""
        if not isinstance(self.spec, TrainSpec):
            raise TypeError(f"job {self.id} is no training")
        return self.spec

    @property
    def imagine(self) -> ImagineSpec:
        """The spec of a picture. Raises TypeError for another job."""
        if not isinstance(self.spec, ImagineSpec):
            raise TypeError(f"job {self.id} draws nothing")
        return self.spec

    @property
    def merge(self) -> MergeSpec:
        """The spec of a merge, an extraction or an export. Raises TypeError for another job."""
        if not isinstance(self.spec, MergeSpec):
            raise TypeError(f"job {self.id} merges nothing")
        return self.spec

    @property
    def makes(self) -> TrainSpec | MergeSpec | None:
        """The spec of what makes an adapter; None for another job."""
        if isinstance(self.spec, ImagineSpec) or (isinstance(self.spec, MergeSpec) and self.spec.is_export):
            return None
        return self.spec

    @property
    def is_export(self) -> bool:
        """Whether a file for its owner is all that comes of it: it is between them and the bot."""
        return isinstance(self.spec, MergeSpec) and self.spec.is_export

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state in FINAL_STATES


class Waiting(NamedTuple):
    """A job that can go to a worker, without what it is to do. The lowest is next."""

    turn: float
    created_at: float
    id: str
    lane: Lane
    base: str
    tries: int


class Place(NamedTuple):
    """Where a job stands in its lane's queue; 1 is next."""

    job_id: str
    place: int
    card: CardState


class Adapter(Record, frozen=True):
    """A trained adapter. Its name is unique among those of its owner."""

    id: str
    job_id: str
    owner_id: int
    owner_name: str
    guild_id: int | None  # where it was trained
    name: str
    kind: AdapterKind
    subject_kind: Kind
    trigger: str
    class_word: str
    base: str
    base_hash: str
    blob: str
    size_bytes: int
    rank: int
    steps: int
    photos: int
    seconds: float
    final_loss: float
    trainer_version: str
    created_at: float
    method: Method = "lora"
    weight_low: float = PROPOSED_WEIGHTS[0]  # the recommended weights: from, best, to
    weight_best: float = PROPOSED_WEIGHTS[1]
    weight_high: float = PROPOSED_WEIGHTS[2]
    fidelity: float | None = None  # of a LoRA extracted from a whole model: the share of the change that it keeps
    report: str = ""  # what the scores of its versions mean
    candidates: tuple[Candidate, ...] = ()  # the versions to choose from
    chosen: int = 0  # which of them it is
    choose_until: float | None = None  # then the other versions are deleted
    photos_kept_until: float | None = None  # what it was trained on, to go on learning from; None: not any more
    shared_with: tuple[int, ...] = ()  # guild ids
    named: tuple[int, ...] = ()  # ids of the members who may use it anywhere
    barred: tuple[int, ...] = ()  # guilds whose moderators took it back
    version: int = 1  # the newest
    origin: Origin = "trained"
    source: str | None = None  # the address that it was imported from
    trigger_words: tuple[str, ...] = ()  # of an imported one: offered, never forced in
    identity: AdapterIdentity | None = None  # what the file says it is; None: it was made here
    description: str = ""
    credit: bool = True  # its owner is to be named
    commercial: bool = False  # pictures that it made may be sold
    derivatives: bool = True  # it may be merged into others
    age_restricted: bool = False
    cover_job: str | None = None  # the picture on its page; None: its newest example
    cover_position: int | None = None
    uses: int = 0  # jobs that were delivered with it
    likes: int = 0
    likeness: Likeness = "none"
    agreed_at: float | None = None  # since when the person whose likeness it is, if not its owner, has agreed
    public_at: float | None = None  # since when every server of this bot has it; None: it has not
    hidden_at: float | None = None  # reported: until that is decided, its owner alone sees it

    def name_for(self, viewer_id: int) -> str:
        """How this viewer writes it in a tag: ``thnos`` for their own, else ``ada/thnos``."""
        return self.name if self.owner_id == viewer_id else f"{self.owner_name}/{self.name}"


class Picture(Record, frozen=True):
    """One picture that a job made, with the exact settings."""

    job_id: str
    position: int  # 0 is the first of its job
    owner_id: int
    blob: str
    filename: str
    size_bytes: int
    width: int | None
    height: int | None
    seed: int | None
    parameters: str  # A1111's text form
    settings: dict[str, str | int | float]
    created_at: float
    hidden_at: float | None = None  # reported: nobody is shown it until that is decided
    explicit: bool = False  # for age-restricted channels alone


class Browse(Record, frozen=True):
    """A list that a member looks through."""

    id: str
    member_id: int
    asked: str  # JSON
    starts: tuple[tuple[int, int], ...] = ()  # behind which place the second page begins, the third, and so on


class Favourite(Record, frozen=True):
    """A picture that a member keeps."""

    job_id: str
    position: int
    created_at: float


class Consent(Record, frozen=True, kw_only=True):
    """A member's statement that they may use the photos of this subject; stored before any byte is fetched."""

    job_id: str
    member_id: int
    guild_id: int | None
    name: str
    kind: Kind
    likeness: Likeness = "none"  # whose photos they said these are
    statement: str  # the words that they agreed to
    given_at: float


class LikenessConsent(Record, frozen=True):
    """What a person says of an adapter that is their likeness, and not their own."""

    adapter_id: str
    member_id: int
    guild_id: int | None  # where they were asked
    statement: str  # the words that they are asked to agree to
    asked_at: float
    given_at: float | None = None  # they agreed
    refused_at: float | None = None  # they did not, or do not any more


Decision = Literal["kept", "taken_down"]
"""What moderators decide on a report."""


class Report(Record, frozen=True):
    """Somebody says that an adapter, or what a job has drawn, should not be there."""

    id: int
    guild_id: int
    reporter_id: int
    adapter_id: str | None
    job_id: str | None
    reason: str
    created_at: float
    decision: Decision | None = None
    decided_by: int | None = None
    decided_at: float | None = None
    message_id: int | None = None


class Erasure(Record, frozen=True):
    """A member wants everything deleted that there is of them; this row is the last of it."""

    member_id: int
    asked_at: float
    erased_at: float | None = None  # the rows are gone
    jobs: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    messages: tuple[tuple[int, int], ...] = ()  # channel and message, still to be deleted


class Wildcard(Record, frozen=True):
    """A list that prompts choose from."""

    id: int
    guild_id: int | None  # None: its owner's own, in direct messages
    owner_id: int
    owner_name: str
    name: str
    lines: tuple[str, ...]
    changed_at: float


class Style(Record, frozen=True):
    """What is put into prompts under a name."""

    id: int
    guild_id: int | None  # None: its owner's own, everywhere
    owner_id: int
    owner_name: str
    name: str
    prompt: str  # ``{prompt}`` in it is where the member's own goes; without it, it goes behind
    negative_prompt: str
    settings: str  # A1111's text form
    changed_at: float


class Note(Record, frozen=True):
    """Something that Discord has still to be told; deleted once it was."""

    id: int
    job_id: str
    kind: NoteKind
    card_written: bool  # whether the worker has told the member already
    nonce: str  # 25 characters at most; the same at every repeat
    tries: int
    due_at: float
    created_at: float


class GuildSettings(Record, frozen=True):
    """What a guild's managers say of who may do what. Nothing: everybody everything, everywhere."""

    train_roles: tuple[int, ...] = ()  # one of them is needed to train and to merge; (): none
    imagine_roles: tuple[int, ...] = ()  # one of them is needed to draw; (): none
    allowed_channels: tuple[int, ...] = ()  # jobs are taken there alone; (): everywhere
    forbidden_channels: tuple[int, ...] = ()
    most_jobs: int | None = None  # a member's within 24 hours, as are the next two; None: no limit
    most_pictures: int | None = None
    most_gpu_minutes: int | None = None
    most_storage_bytes: int | None = None  # of a member's adapters and pictures
    account_days: int = 0  # how old a member's Discord account has to be
    explicit: bool = True  # whether age-restricted channels may show what is explicit
    explicit_words: bool = True  # whether prompts may hold words for nudity and sex in other channels, too
    showcase_channel: int | None = None  # where pictures hang that got so many stars; None: nowhere
    showcase_stars: int = 3
    log_channel: int | None = None  # where moderators read of reports


class BlockedMember(Record, frozen=True):
    """A member who may start nothing in a guild, also after leaving it and coming back."""

    guild_id: int
    member_id: int
    reason: str
    blocked_by: int
    blocked_at: float


class BlockedWord(Record, frozen=True):
    """What may not be said in a guild: a word or phrase, or a regular expression."""

    id: int
    guild_id: int
    pattern: str
    is_regex: bool
    added_by: int
    added_at: float


class Usage(Record, frozen=True):
    """What a member has had of a guild's share: jobs, pictures and GPU time since a point in time, and storage."""

    jobs: int
    pictures: int
    gpu_seconds: float
    storage_bytes: int
    first_at: float | None  # when the first of these jobs was accepted
