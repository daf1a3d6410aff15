"""What makes a training fast here, computed from model, rows and device, each choice with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from tunesmith.core.errors import UserError
from tunesmith.costs.anatomy import anatomy_of
from tunesmith.costs.memory import CPU_ROOM, Setup, checkpointing_needed, free_bytes, token_bytes, tokens_of_part
from tunesmith.costs.methods import Method, method_of
from tunesmith.costs.peaks import GB
from tunesmith.train.batches import Index, mean_length
from tunesmith.train.device import Device
from tunesmith.train.fast import use_fast_norms
from tunesmith.train.job import Computed
from tunesmith.train.peak import peak_flops
from tunesmith.train.start import Start

Layout = Literal["buckets", "packed"]
Attention = Literal["eager", "sdpa", "flex_attention", "flash_attention_2", "flash_attention_3"]

EAGER_TOKENS = 256  # up to here writing the scores down is the faster on a processor in bfloat16 (docs/speed.md)
COMPILE_GAIN = 0.15  # of the steps' time: torchtitan 5,762 to 6,667 tokens/s at 8B, torchtune 7,075 to 8,998 at 3B
COMPILE_S = 90.0  # to compile a decoder layer, forward and backward: a guess until measured (bench/gpu.py)
USUAL_MFU = 0.35


# Options of adapters, and what their configurations call them.
OPTIONS = {"rank": "r", "tokens": "num_virtual_tokens", "reduction": "reduction", "places": "places"}


@dataclass(frozen=True)
class Wishes:
    """What was given and is not to be computed."""

    layout: Layout | None = None
    attention: Attention | None = None
    checkpointing: bool | None = None
    compile: bool | None = None


def planned(
    start: Start, lengths: Index, *, batch: int, steps: int, wishes: Wishes | None = None, held: int = 1
) -> Start:
    """The start with layout, attention and memory settled for rows of these lengths, and the model set to them.

    `batch` is how many rows a step's forward pass would hold at once, `held` how many must stay together, such as both
    answers of a pair. What is given stands; the rest is computed, said
    and kept. Raises UserError where what is given cannot be.
    """
    wishes = wishes or Wishes()
    longest = int(lengths.max(initial=1))
    before_rows = _prompts(start)
    if before_rows and wishes.layout == "packed":
        raise UserError(
            f"A {start.adapted} adapter cannot be trained on packed rows.",
            "Its tokens stand before every row, and packed rows have one beginning. Leave layout out.",
        )
    attention = wishes.attention or _said(start, "attention", _attention(start, longest, wishes.layout))
    layout = wishes.layout or _said(start, "layout", usual_layout(start.device, attention, prompts=before_rows))
    _set_attention(start, attention)
    part_tokens = _set_memory(start, longest, held, attention, batch * longest, wishes.checkpointing)
    compiled = _set_compile(start, lengths, batch * steps, wishes.compile)
    if start.device == Device("cpu", bfloat16=False) and not compiled:
        use_fast_norms(start.core)
    bounds = layout == "packed" and attention.startswith("flash")
    return replace(start, layout=layout, part_tokens=part_tokens, bounds=bounds, compiled=compiled)


def _said(start: Start, name: str, computed: Computed) -> str:
    return str(start.chosen.computed(name, computed))


def _prompts(start: Start) -> bool:
    """Whether an adapter puts tokens of its own before each row."""
    return bool(start.adapted and start.model.active_peft_config.is_prompt_learning)


def _attention(start: Start, longest: int, layout: Layout | None) -> Computed:
    if start.device.name == "cpu":
        return cpu_attention(start.device, longest)
    # Flex attention wants queries and values of one kind, which autocast over float32 weights does not give.
    even = start.device.weights == "bfloat16" or not start.device.bfloat16
    flex = even and bool(getattr(start.core, "_supports_flex_attn", False))
    return gpu_attention(flash=_flash(start), flex=flex and layout != "buckets" and not _prompts(start))


def cpu_attention(device: Device, longest: int) -> Computed:
    """The faster kernel on a processor, backward pass included, for rows of up to `longest` tokens."""
    if not device.bfloat16:
        return Computed("sdpa", "on a processor the faster one in float32")
    if longest <= EAGER_TOKENS:
        return Computed("eager", f"on a processor the faster one in bfloat16 up to {EAGER_TOKENS} tokens")
    return Computed("sdpa", f"rows of up to {longest:,} tokens; eager is the faster one up to {EAGER_TOKENS}")


def gpu_attention(*, flash: str | None, flex: bool) -> Computed:
    """The kernel for a GPU: flash attention where it is installed, else flex for packed rows, else torch's own."""
    if flash:
        return Computed(flash, "it is installed, and reads packed rows by their bounds")
    if flex:
        return Computed("flex_attention", "flash attention is not installed; blocks between packed rows are skipped")
    return Computed("sdpa", "flash attention is not installed, and flex attention cannot be used")


def usual_layout(device: Device, attention: str, *, prompts: bool) -> Computed:
    """How batches lie in memory, with this kernel."""
    if prompts:
        return Computed("buckets", "the adapter's tokens stand before every row")
    if device.name == "cpu":
        return Computed("buckets", "on a processor rows of like length leave little padding")
    if attention in ("eager", "sdpa"):
        return Computed("buckets", f"{attention} would write down a mask of all packed tokens by all packed tokens")
    return Computed("packed", f"{attention} keeps packed rows apart without padding and without a mask")


def _flash(start: Start) -> str | None:
    """The flash attention that is installed and that the model takes."""
    from transformers.utils import is_flash_attn_2_available, is_flash_attn_3_available

    if not (start.device.bfloat16 and getattr(start.core, "_supports_flash_attn", False)):
        return None
    if is_flash_attn_3_available():
        return "flash_attention_3"
    return "flash_attention_2" if is_flash_attn_2_available() else None


def _set_attention(start: Start, attention: str) -> None:
    try:
        start.core.set_attn_implementation(attention)
    except (ImportError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise UserError(f"attention: {attention} cannot be used here: {first}", "Leave attention out.") from error


def _set_memory(
    start: Start, longest: int, held: int, attention: str, step_tokens: int, wish: bool | None
) -> int | None:
    """Padded tokens that a part may have (None where a step fits as a whole); checkpointing is switched on at need."""
    memory, least = start.device.memory, longest * held
    setup = setup_of(start, longest, attention)
    free = CPU_ROOM if memory is None else free_bytes(setup, memory)
    kept = {light: token_bytes(replace(setup, checkpointing=light)) for light in (False, True)}
    light = checkpointing_needed(free / kept[False], least) if wish is None and memory is not None else bool(wish)
    if light:
        if wish is None:
            _said(start, "checkpointing", Computed("on", f"rows of {longest:,} tokens do not fit without it"))
        # Reentrant checkpointing finds no gradient to begin with where the embeddings are frozen.
        start.core.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    room = int(free / kept[light])
    if memory is not None and room < least:
        raise UserError(
            f"A row of {longest:,} tokens does not fit into the GPU's {memory / GB:.0f} GB.",
            "Give a smaller max_length, an adapter, or precision: bfloat16.",
        )
    if room >= step_tokens and memory is None:
        return None
    room = tokens_of_part(room, least)
    start.chosen.computed("part_tokens", Computed(room, f"{free / GB:.3g} GB are there for activations"))
    return room


def setup_of(start: Start, longest: int, attention: str) -> Setup:
    """What memory follows from, of a start; the estimate before a run reckons by the same."""
    return Setup(
        anatomy_of(start.model.config),
        _method(start),
        start.device.precision,
        attention=attention,
        longest=longest,
        gpu=start.device.name != "cpu",
        parameters=start.parameters,
        trained=start.trained,
        by_hand=start.device == Device("cpu", bfloat16=False),
    )


def _method(start: Start) -> Method:
    """The adapter that is trained, with its options as PEFT has them; full tuning without one."""
    if start.adapted is None:
        return Method()
    config = start.model.active_peft_config
    options = {name: getattr(config, given, None) for name, given in OPTIONS.items()}
    return method_of(start.adapted, {**options, "targets": sorted(getattr(config, "target_modules", None) or ())})


def _set_compile(start: Start, lengths: Index, drawn: int, wish: bool | None) -> bool:
    if wish is None and start.device.name != "cpu":
        adapter = start.trained if start.adapted else None
        a_token = anatomy_of(start.model.config).flops(mean_length(lengths), adapter=adapter)
        work = drawn * float(lengths.mean()) * a_token
        wish = _said(start, "compile", compile_pays(work, peak_flops(start.device))) == "on"
    if wish:
        _compile_layers(start)
    return bool(wish)


def compile_pays(work: float, peak: float | None) -> Computed:
    """Whether compiling saves more than twice the time it takes, for so many operations on a device of this peak."""
    if peak is None:
        return Computed("off", "the peak of this GPU is not known, and so not how long the steps take")
    expected = work / (USUAL_MFU * peak)
    saved = COMPILE_GAIN * expected
    why = f"of about {expected:,.0f} s of steps it would save {saved:,.0f} s, and take {COMPILE_S:.0f} s"
    return Computed("on" if saved > 2 * COMPILE_S else "off", why)


def _compile_layers(start: Start) -> None:
    """Compile each decoder layer in place: all share one graph, and the names of the weights stay as they are."""
    layers = getattr(start.core.base_model, "layers", None)
    if layers is None:
        raise UserError("This model has no list of layers to compile.", "Leave compile out.")
    for layer in layers:
        layer.compile(dynamic=True)
