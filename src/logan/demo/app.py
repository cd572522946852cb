"""The demo's page. Gradio makes it; nothing on it comes from elsewhere, and nothing is told to anybody."""

from __future__ import annotations

import os
from typing import Any, get_args

from logan.errors import InputError
from logan.latent import Method
from logan.sampling import Model
from logan.sampling.guidance import own_latent

from . import scenes

EVERY_CLASS = "all classes"
MOST_SEED = 2**31 - 1
SYSTEM_FONTS = ("system-ui", "sans-serif")
SEEN, MOST_SEEN = 16, 64
MOST_STEPS = 50


def gradio() -> Any:
    """The module ``gradio``, with its telemetry off.

    Raises:
        InputError: if it is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    try:
        import gradio
    except ImportError:
        raise InputError("the demo needs gradio, the extra 'demo': pip install \"logan-gan[demo]\"") from None
    return gradio


def build(model: Model, title: str) -> Any:
    """The page of a model, ``gradio.Blocks``: to be served with :func:`serve`, or to be part of one's own.

    Raises:
        InputError: if Gradio is not installed.
    """
    gr = gradio()
    with gr.Blocks(title=title, analytics_enabled=False, fill_width=True) as page:
        gr.Markdown(f"# {title}\n\n{_facts(model)}")
        with gr.Tab("Samples"):
            _samples(gr, page, model)
        with gr.Tab("Interpolation"):
            _crossing(gr, page, model)
        with gr.Tab("Latent step"):
            _climb(gr, page, model)
    return page


def serve(
    model: Model, title: str, host: str, port: int | None, *, open_browser: bool = False, wait: bool = True
) -> str:
    """Serve the page until interrupted; without ``wait``, return at once with its address.

    Args:
        model: whose.
        title: above it.
        host: 127.0.0.1 for this machine alone; 0.0.0.0 for everybody who can reach it.
        port: None for the first that is free from 7860 on.
        open_browser: in a new tab.

    Raises:
        InputError: if Gradio is not installed, or the port is taken.
    """
    gr = gradio()
    theme = gr.themes.Default(font=SYSTEM_FONTS, font_mono=("ui-monospace", "monospace"))
    page = build(model, title)
    try:
        _, address, _ = page.launch(
            server_name=host, server_port=port, inbrowser=open_browser, prevent_thread_lock=True, share=False, quiet=True,
            theme=theme, footer_links=[], ssr_mode=False, enable_monitoring=False, mcp_server=False, show_error=True,
        )  # fmt: skip
    except OSError as error:
        raise InputError(f"`port` {port or 7860} cannot be had on {host} ({error}); choose another `port`") from None
    if wait:
        print(f"{title}: {address}  (Ctrl-C ends it)", flush=True)
        try:
            page.block_thread()
        finally:
            page.close()
    return address


def _samples(gr: Any, page: Any, model: Model) -> None:
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            seed = _seed(gr, "Seed", 0)
            n = gr.Slider(1, MOST_SEEN, SEEN, step=1, label="Images", visible=not scenes.is_flat(model))
            no_trunc = model.info.config.on_sphere()
            trunc = gr.Slider(0, 1, 1, step=0.05, label="Truncation: less varied, often better", visible=not no_trunc)
            label = _classes(gr, model)
        with gr.Column(scale=3, min_width=260):
            picture = _picture(gr, "Samples")
    given = [seed, n, trunc, label]

    def show(seed: float, n: float, trunc: float, label: str) -> Any:
        return scenes.samples(model, _whole(seed), int(n), float(trunc), _class(model, label))

    _on_change(gr, page, show, given, [picture])


def _crossing(gr: Any, page: Any, model: Model) -> None:
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            first, second = _seed(gr, "From seed", 0), _seed(gr, "To seed", 1)
            share = gr.Slider(0, 1, 0.5, step=0.01, label="Share of the way")
            label = _classes(gr, model)
        with gr.Column(scale=3, min_width=260):
            picture, strip = _picture(gr, "On the way", 320), _picture(gr, "From one to the other", 160)
    given = [first, second, share, label]

    def show(first: float, second: float, share: float, label: str) -> Any:
        return scenes.crossing(model, _whole(first), _whole(second), float(share), _class(model, label))

    _on_change(gr, page, show, given, [picture, strip])


def _climb(gr: Any, page: Any, model: Model) -> None:
    own = own_latent(model.info.config)
    gr.Markdown(
        "z moves up the gradient g of D's score: Δz = α g (gd) or α g/(β + ‖g‖²) (ngd). Small moves may help; far ones find what "
        "D likes and nobody else does."
    )
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            seed = _seed(gr, "Seed", 0)
            n = gr.Slider(1, MOST_SEEN, SEEN, step=1, label="Images", visible=not scenes.is_flat(model))
            steps = gr.Slider(0, MOST_STEPS, 10, step=1, label="Steps")
            method = gr.Radio(list(get_args(Method)), value=own.method, label="Method")
            alpha = gr.Number(own.alpha, minimum=0, label="α")
            beta = gr.Number(own.beta, minimum=1e-12, label="β (ngd)")
            label = _classes(gr, model)
        with gr.Column(scale=3, min_width=260):
            with gr.Row():
                before, after = _picture(gr, "Before", 400), _picture(gr, "After", 400)
            plot = _picture(gr, "D's score along the path", 220)
            said = gr.Markdown()
    given = [seed, n, steps, method, alpha, beta, label]

    def show(seed: float, n: float, steps: float, method: Method, alpha: float, beta: float, label: str) -> Any:
        if alpha is None or beta is None or alpha < 0 or beta <= 0:
            raise gr.Error("α must be >= 0, and β > 0", print_exception=False)
        found = scenes.climb(model, _whole(seed), int(n), int(steps), method, alpha, beta, _class(model, label))
        text = f"D's mean score: {found.scores[0]:.3f} → {found.scores[-1]:.3f}; mean ‖z_K − z_0‖ = {found.moved:.3g}"
        return found.before, found.after, found.path, text

    _on_change(gr, page, show, given, [before, after, plot, said])


def _on_change(gr: Any, page: Any, show: Any, given: list[Any], shown: list[Any]) -> None:
    """Draw at first, and whenever an input is another; of what happens while something is drawn, only the last counts."""
    gr.on(
        [page.load, *(part.change for part in given)], show, given, shown, show_progress="hidden", trigger_mode="always_last",
        api_visibility="private",
    )  # fmt: skip


def _seed(gr: Any, label: str, value: int) -> Any:
    return gr.Number(value, precision=0, minimum=0, maximum=MOST_SEED, label=label)


def _picture(gr: Any, label: str, height: int = 480) -> Any:
    """Below its name: Gradio's own label would lie on the picture."""
    with gr.Column(min_width=260):
        gr.Markdown(f"**{label}**")
        return gr.Image(
            type="pil", format="png", label=label, show_label=False, height=height, interactive=False,
            buttons=["download", "fullscreen"],
        )  # fmt: skip


def _classes(gr: Any, model: Model) -> Any:
    names = _names(model)
    return gr.Dropdown([EVERY_CLASS, *names], value=EVERY_CLASS, label="Class", visible=bool(names))


def _names(model: Model) -> list[str]:
    """Of the classes, each once: two may be called the same."""
    names = list(model.info.class_names)
    if len(names) != model.num_classes:
        names = [str(k) for k in range(model.num_classes)]
    return [name if names.count(name) == 1 else f"{name} ({k})" for k, name in enumerate(names)]


def _class(model: Model, name: str | None) -> int | None:
    return None if name in (None, EVERY_CLASS) else _names(model).index(str(name))


def _whole(value: float | None) -> int:
    """A seed; an empty field is 0."""
    return min(MOST_SEED, max(0, int(value or 0)))


def _facts(model: Model) -> str:
    info = model.info
    c = info.config
    size = info.architecture["image_size"]
    what = "points in the plane" if size == 1 else f"images of {size}×{size} pixels"
    classes = f", {model.num_classes} classes" if model.num_classes else ""
    return (
        f"{info.architecture['name']}, {what}{classes}; latent step {c.latent.latent}; "
        f"{info.images:,} real images shown in training"
    )
