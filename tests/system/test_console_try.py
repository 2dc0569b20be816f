"""The console's view that makes calls, in a browser. Without one conftest.py says so, loudly."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.browsing import browsing, picture
from support.service import LIMIT_S, ROOT, SOURCES, Service

DIGIT = ROOT / "wrappers" / "digits" / "test_data" / "7.png"
TEXT = "Every word is a result of its own. 每个字都是一个结果。"
TRICKY = 'it\'s "q" $HOME `id` \\n \\\\ é 中文\nsecond line'

STREAMS = pytest.mark.parametrize("way", ["websocket", "events"])

TELLING = """
import json, struct, zlib
from aiges.core.types import DataAudio, DataImage, DataText
from aiges.dto import Response, ResponseData
from aiges.sdk import *

def chunk(kind, data):
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

HEAD = b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0))
PNG = HEAD + chunk(b"IDAT", zlib.compress(b"\\0\\0\\xff" * 2)) + chunk(b"IEND", b"")

class UserRequest:
    mode = StringParamField(key="mode", enums=["loud", "quiet"], value="quiet")
    count = IntegerParamField(key="count", minimum=0, maximum=10, value=3)
    ratio = NumberParamField(key="ratio", minimum=0, maximum=1, value=0.5)
    flag = BooleanParamField(key="flag", required=True)
    note = StringParamField(key="note", maxLength=10)
    text = StringBodyField(key="text", value=b"hello")
    img = ImageBodyField(key="img", path="7.png", encoding="png")
    sound = AudioBodyField(key="sound", path="7.png")

class UserResponse:
    told = StringBodyField(key="told")
    pic = ImageBodyField(key="pic")
    tone = AudioBodyField(key="tone")

class Wrapper(WrapperBase):
    serviceId = "telling"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config):
        return 0

    def wrapperOnceExec(self, params, reqData):
        inputs = {
            node.key: [len(node.data), node.data[:4].hex(), dict(node.desc or {})]
            for node in reqData.list
        }
        items = []
        told = {"params": dict(params), "inputs": inputs}
        for key, kind, data in (
            ("told", DataText, json.dumps(told).encode()),
            ("pic", DataImage, PNG),
            ("tone", DataAudio, bytes(3200)),
        ):
            item = ResponseData(key=key, type=kind)
            item.setData(data)
            items.append(item)
        answer = Response()
        answer.list = items
        return answer
"""


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("stream")
    source = ROOT / "wrappers" / "stream" / "wrapper.py"
    (folder / "wrapper.py").write_bytes(source.read_bytes())
    with Service(folder).ready() as running:
        yield running


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(digits_folder(tmp_path_factory.mktemp("digits"))).ready() as running:
        yield running


def digits_folder(folder: Path) -> Path:
    for source in (ROOT / "wrappers" / "digits").rglob("*.*"):
        if source.is_file() and "__pycache__" not in source.parts:
            copy = folder / source.relative_to(ROOT / "wrappers" / "digits")
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(source.read_bytes())
    return folder


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("telling")
    (folder / "wrapper.py").write_text(TELLING)
    (folder / "7.png").write_bytes(DIGIT.read_bytes())
    with Service(folder).ready() as running:
        yield running


def send(page: Any) -> None:
    page.click("#send")
    page.wait_for_selector("#result:is([data-state=done], [data-state=failed])")
    assert page.get_attribute("#result", "data-state") == "done", page.inner_text("#error")


def told(page: Any) -> Any:
    send(page)
    return json.loads(page.inner_text("#output-told"))


def test_it_reads_a_digit_from_a_picture_that_is_chosen(chromium: Any, digits: Service) -> None:
    with browsing(chromium, digits.http_port) as page:
        assert page.inner_text("#service") == "svcName"
        send(page)  # the example, as it is
        assert json.loads(page.inner_text("#output-result"))["result"] == 7
        page.set_input_files("#file-img", ROOT / "wrappers" / "digits" / "wrapper.py")
        page.click("#send")
        page.wait_for_selector("#result[data-state=failed]")
        assert page.inner_text("#error h3") == "The service answered with code 101"
        assert "is not a picture" in page.inner_text("#error pre")
        assert "the wrapper's own" in page.inner_text("#error .advice")
        page.set_input_files("#file-img", DIGIT)
        send(page)
        assert json.loads(page.inner_text("#output-result"))["result"] == 7
        assert not page.is_visible("#error")
        facts = page.inner_text("#facts").split("\n")
        assert re.fullmatch(r"[0-9a-f-]{36}", facts[facts.index("sid") + 1])
        assert facts[facts.index("time") + 1].endswith(("ms", "s"))


def test_both_themes_have_their_picture(chromium: Any, digits: Service) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    seen = {}
    for scheme in ("light", "dark"):
        context = {"color_scheme": scheme, "viewport": {"width": 1280, "height": 860}}
        with browsing(chromium, digits.http_port, **context) as page:
            send(page)
            seen[scheme] = page.evaluate(background)
            picture(page, f"console-{scheme}")
            for theme in ("light", "dark"):  # the switch wins over the system
                page.click("#theme")
                assert page.evaluate(background) == {**seen, theme: seen.get(theme)}[theme] or (
                    theme not in seen
                )
            page.reload()
            page.wait_for_selector("body[data-ready=yes]")
            assert page.inner_text("#theme") == "Theme: dark"
    assert seen == {"light": "rgb(244, 246, 249)", "dark": "rgb(16, 20, 25)"}


def test_text_can_be_read_in_both_themes(chromium: Any, digits: Service) -> None:
    """WCAG asks for a contrast of 4.5."""
    with browsing(chromium, digits.http_port) as page:
        weak = page.evaluate(CONTRASTS)
    assert weak == []


CONTRASTS = """() => {
  const probe = document.body.appendChild(document.createElement("i"));
  const light = (name) => {  // relative luminance
    probe.style.color = `var(--${name})`;
    const colour = getComputedStyle(probe).color.match(/[\\d.]+/g);
    const parts = colour.slice(0, 3).map((part) => {
      const is = part / 255;
      return is <= 0.04045 ? is / 12.92 : ((is + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const weak = [];
  const pairs = ["good", "warn", "bad"].map((name) => [name, `${name}-wash`]);
  pairs.push(["on-accent", "accent"], ["accent", "accent-wash"]);
  for (const back of ["page", "card", "sunken"]) {
    for (const front of ["ink", "faint", "accent", "good", "warn", "bad"]) {
      pairs.push([front, back]);
    }
  }
  for (const theme of ["light", "dark"]) {
    document.documentElement.dataset.theme = theme;
    for (const [front, back] of pairs) {
      const [low, high] = [light(front), light(back)].sort((a, b) => a - b);
      const contrast = (high + 0.05) / (low + 0.05);
      if (contrast < 4.5) weak.push([theme, front, back, contrast]);
    }
  }
  return weak;
}"""


@STREAMS
def test_results_are_shown_as_they_come(chromium: Any, stream: Service, way: str) -> None:
    with browsing(chromium, stream.http_port) as page:
        assert page.input_value("#input-text") == TEXT
        page.fill("#input-text", "one two 三")
        page.fill("#parameter-pause", "1000")
        page.check(f"#way-{way}")
        page.click("#send")
        page.wait_for_selector("#output-result pre:text-is('one')")
        assert page.get_attribute("#result", "data-state") == "receiving"
        page.wait_for_selector("#result[data-state=done]")
        assert page.inner_text("#output-result") == "one two 三"
        assert page.inner_text("#state") == "Complete: 4"
        page.click("#frames-count")
        rows = page.locator("#frames tbody tr").all_inner_texts()
        assert [row.split("\t")[1:] for row in rows] == [
            ["result", "1", "0", '"one "'],
            ["result", "2", "1", '"two "'],
            ["result", "3", "1", '"三"'],
            ["result", "4", "2", '""'],
        ]
        page.fill("#parameter-pause", "0")
        page.click("#send")  # once more, on a connection of its own
        page.wait_for_selector("#output-result pre:text-is('one two 三')")
        page.wait_for_selector("#result[data-state=done]")


@STREAMS
def test_a_stream_can_be_stopped(chromium: Any, stream: Service, way: str) -> None:
    with browsing(chromium, stream.http_port) as page:
        page.fill("#input-text", "word " * 1000)
        page.check(f"#way-{way}")
        page.click("#send")
        page.wait_for_selector("#output-result")
        page.click("#stop")
        page.wait_for_selector("#result[data-state=stopped]")
        assert page.inner_text("#state").startswith("Stopped after ")
        assert page.is_enabled("#send")


@STREAMS
def test_an_error_says_its_code_and_what_to_do_in_both_languages(
    chromium: Any, stream: Service, way: str
) -> None:
    with browsing(chromium, stream.http_port, locale="zh-CN") as page:
        page.eval_on_selector("#parameter-pause", "(box) => box.removeAttribute('max')")
        page.fill("#parameter-pause", "5000")
        page.check(f"#way-{way}")
        page.click("#send")
        page.wait_for_selector("#result[data-state=failed]")
        assert page.inner_text("#error h3") == "服务返回错误码 101"
        assert page.inner_text("#error pre") == "pause is 0 to 1000 milliseconds"
        assert page.get_attribute("html", "lang") == "zh-CN"
        page.click("#language")
        assert page.inner_text("#error h3") == "The service answered with code 101"
        assert page.inner_text("#send") == "Send"


@STREAMS
def test_a_service_that_goes_is_an_error(chromium: Any, tmp_path: Path, way: str) -> None:
    source = ROOT / "wrappers" / "stream" / "wrapper.py"
    (tmp_path / "wrapper.py").write_bytes(source.read_bytes())
    with (
        Service(tmp_path, pool={"drainTimeout": 0}).ready() as service,
        browsing(chromium, service.http_port) as page,
    ):
        page.fill("#input-text", "word " * 1000)
        page.check(f"#way-{way}")
        page.click("#send")
        page.wait_for_selector("#output-result")
        service.process.kill()
        page.wait_for_selector("#result[data-state=failed]")
        assert "ended before the last result" in page.inner_text("#error h3")
        page.check("#way-once")
        page.click("#send")
        page.wait_for_selector("#error h3:text-is('The service cannot be reached')")


def test_parameters_are_fields_of_their_kind(chromium: Any, telling: Service) -> None:
    with browsing(chromium, telling.http_port) as page:
        sent = told(page)["params"]
        assert (sent["mode"], sent["count"], sent["ratio"]) == ("quiet", "3", "0.5")
        assert "note" not in sent
        page.select_option("#parameter-mode", "loud")
        page.fill("#parameter-count", "10")
        page.fill("#parameter-ratio", "0.25")
        page.check("#parameter-flag")
        page.fill("#parameter-note", "longer than ten")
        sent = told(page)["params"]
        assert (sent["mode"], sent["count"], sent["ratio"]) == ("loud", "10", "0.25")
        assert (sent["flag"], sent["note"]) == ("true", "longer tha")
        page.fill("#parameter-count", "11")
        page.click("#send")  # which the browser refuses, and says why
        assert page.eval_on_selector("#parameter-count", "(box) => box.validity.rangeOverflow")
        assert page.get_attribute("#result", "data-state") == "done"


def test_outputs_are_shown_by_their_kind(chromium: Any, telling: Service) -> None:
    with browsing(chromium, telling.http_port) as page:
        send(page)
        assert page.inner_text("#output-told").startswith("{\n  ")  # JSON is laid out
        size = "(it) => it.decode().then(() => [it.naturalWidth, it.naturalHeight])"
        assert page.eval_on_selector("#output-pic img", size) == [2, 2]
        page.wait_for_function("() => document.querySelector('#output-tone audio').duration > 0")
        length = page.eval_on_selector("#output-tone audio", "(sound) => sound.duration")
        assert length == pytest.approx(0.1)  # 3200 bytes at 16 kHz and 16 bits
        with page.expect_download() as saved:
            page.click("article:has(#output-pic) .save")
        assert saved.value.suggested_filename == "pic.png"


def test_files_are_dropped_pasted_and_taken_back(chromium: Any, telling: Service) -> None:
    deliver = """(name) => {
      const transfer = new DataTransfer();
      const type = "image/gif";
      transfer.items.add(new File(["GIF89a...."], "some.gif", { type }));
      const [target, kind, carries] = name === "drop"
        ? [document.getElementById("title-img"), DragEvent, "dataTransfer"]
        : [document.body, ClipboardEvent, "clipboardData"];
      const event = { [carries]: transfer, bubbles: true, cancelable: true };
      target.dispatchEvent(new kind(name, event));
    }"""
    example = DIGIT.stat().st_size
    with browsing(chromium, telling.http_port) as page:
        for way in ("drop", "paste"):
            assert told(page)["inputs"]["img"][0] == example
            page.evaluate(deliver, way)
            page.wait_for_selector("#remove-img:visible")
            assert told(page)["inputs"]["img"][:2] == [10, b"GIF8".hex()]
            page.click("#remove-img")
        page.set_input_files("#file-text", DIGIT)
        page.wait_for_selector("#input-text", state="hidden")
        assert told(page)["inputs"]["text"][0] == example
        page.click("#remove-text")
        assert told(page)["inputs"]["text"][0] == len(b"hello")


def test_the_microphone_and_the_camera_are_inputs(chromium: Any, telling: Service) -> None:
    context = {"permissions": ["microphone", "camera"]}
    with browsing(chromium, telling.http_port, **context) as page:
        page.click("#record-sound")
        page.wait_for_selector("#record-sound:text-is('Stop recording')")
        page.wait_for_timeout(500)  # what is recorded lasts as long as it is
        page.click("#record-sound")
        page.wait_for_selector("#remove-sound:visible")
        page.click("#camera-img")
        page.wait_for_selector("#camera-img:text-is('Take the picture')")
        page.click("#camera-img")
        page.wait_for_selector("#remove-img:visible")
        inputs = told(page)["inputs"]
        length, head, attributes = inputs["sound"]
        assert length > 16_000 * 2 * 0.1
        assert length % 2 == 0
        assert head != b"RIFF".hex()  # samples without a header
        assert attributes["encoding"] == "raw"
        assert inputs["img"][1].startswith("ffd8ff")
        assert inputs["img"][2]["encoding"] == "jpg"


def test_a_large_file_does_not_freeze_the_page(chromium: Any, telling: Service) -> None:
    watch = """() => new Promise((resolve) => {
      new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) {
          window.longest = Math.max(window.longest ?? 0, duration);
        }
        resolve();
      }).observe({ entryTypes: ["longtask"] });
      setTimeout(() => {  // a task that is long, to see that it is seen
        for (const end = performance.now() + 100; performance.now() < end; );
      });
    })"""
    large = telling.folder / "large.bin"
    large.write_bytes(b"\x89PNG" + os.urandom(40 << 20))
    with browsing(chromium, telling.http_port) as page:
        page.evaluate(watch)
        assert page.evaluate("window.longest") >= 100
        page.set_input_files("#file-img", large)
        page.wait_for_selector("#remove-img:visible")
        sent = told(page)["inputs"]["img"]
        assert sent[:2] == [large.stat().st_size, b"\x89PNG".hex()]
        longest_ms = page.evaluate("window.longest")
    print(f"longest task: {longest_ms:.0f} ms")
    assert longest_ms < 1000


def test_the_form_of_a_service_that_declares_nothing_is_its_request(
    chromium: Any, tmp_path: Path
) -> None:
    (tmp_path / "wrapper.py").write_text(
        TELLING.replace("requestCls = UserRequest()", "").replace(
            "responseCls = UserResponse()", ""
        )
    )
    (tmp_path / "7.png").write_bytes(DIGIT.read_bytes())
    with (
        Service(tmp_path).ready() as service,
        browsing(chromium, service.http_port) as page,
    ):
        assert "declares no inputs" in page.inner_text("#fields")
        body = json.loads(page.input_value("#body"))
        body["payload"] = {"text": {"status": 3, "text": "aGk="}}
        kinds = {"told": "text", "pic": "image", "tone": "audio"}
        expected = {name: {"data_type": kind} for name, kind in kinds.items()}
        body["parameter"] = {"telling": expected}
        page.fill("#body", json.dumps(body))
        assert list(told(page)["inputs"]) == ["text"]
        page.fill("#body", "{")
        page.click("#send")
        page.wait_for_selector("#error h3:text-is('The service answered with code 10000')")


# The code beside it:


@pytest.mark.parametrize("snippet", ["curl", "client", "standard"])
@pytest.mark.parametrize("way", ["once", "websocket", "events"])
def test_the_code_does_what_the_form_does(  # noqa: PLR0917
    snippet: str, way: str, chromium: Any, stream: Service, telling: Service, tmp_path: Path
) -> None:
    service = telling if way == "once" else stream
    with browsing(chromium, service.http_port) as page:
        page.fill("#input-text", TRICKY)
        page.check(f"#way-{way}")
        if way == "once":
            page.select_option("#parameter-mode", "loud")
            for name in ("img", "sound"):
                with page.expect_download() as saved:
                    page.click(f".input:has(#file-{name}) .save")
                saved.value.save_as(tmp_path / saved.value.suggested_filename)
        else:
            page.fill("#parameter-pause", "0")
        send(page)
        shown = page.inner_text("#output-told" if way == "once" else "#output-result")
        page.click(f"#tab-{snippet}")
        code = page.inner_text("#snippet")
    command = ["sh", "-c", code] if snippet == "curl" else [sys.executable, "-c", code]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": SOURCES, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, code + done.stderr
    if way == "once":
        expected = json.loads(shown)
        answer = answer_of(snippet, done.stdout)
        # The sid is another, of course, and only the page says what kind its data is.
        assert without(answer["params"]) == without(expected["params"])
        assert answer["inputs"].keys() == expected["inputs"].keys()
        for name, (length, head, _) in expected["inputs"].items():
            assert answer["inputs"][name][:2] == [length, head]
    else:
        words = TRICKY.split()
        text = done.stdout if snippet == "client" else streamed(snippet, done.stdout)
        assert [part for part in text.split() if part] == words


def without(params: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in params.items() if name != "sid"}


def answer_of(snippet: str, output: str) -> Any:
    if snippet == "curl":
        return json.loads(json.loads(output)["payload"]["told"]["text"])
    if snippet == "client":
        return json.loads(output)
    import ast  # noqa: PLC0415

    return json.loads(ast.literal_eval(output)["told"]["text"])


def streamed(snippet: str, output: str) -> str:
    import ast  # noqa: PLC0415
    import base64  # noqa: PLC0415

    if snippet == "curl":
        events = [line.removeprefix("data:") for line in output.splitlines() if line]
        payloads = [json.loads(event)["payload"] for event in events]
    else:
        payloads = [ast.literal_eval(line) for line in output.splitlines()]
    data = b"".join(base64.b64decode(payload["result"]["text"]) for payload in payloads)
    return data.decode()


def test_the_code_keeps_in_step_with_the_form(chromium: Any, stream: Service) -> None:
    with browsing(chromium, stream.http_port) as page:
        page.fill("#parameter-pause", "123")
        page.fill("#input-text", "other words")
        for snippet in ("curl", "client", "standard"):
            page.click(f"#tab-{snippet}")
            code = page.inner_text("#snippet")
            assert "123" in code
            assert "other words" in code
        page.check("#way-events")
        assert "text/event-stream" in page.inner_text("#snippet")
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.click("#snippets-bar .quiet")
        page.wait_for_selector("#snippets-bar .quiet:text-is('Copied')")
        assert page.evaluate("navigator.clipboard.readText()") == page.inner_text("#snippet")


# For everybody:


def test_the_keyboard_is_enough(chromium: Any, stream: Service) -> None:
    with browsing(chromium, stream.http_port) as page:
        seen: list[str] = []
        page.focus("#to-try")
        page.keyboard.press("Shift+Tab")  # out of the page, so that the next is its first
        for _ in range(page.locator("button, input, select, textarea, a, summary").count()):
            page.keyboard.press("Tab")
            here = page.evaluate(
                "document.activeElement.id || document.activeElement.tagName.toLowerCase()"
            )
            if here == "body" or here in seen[:1]:
                break
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"nothing shows that {here} has the focus"
            seen.append(here)
        order = ["to-try", "to-operate", "language", "theme", "input-text", "parameter-pause"]
        order += ["way-once", "send", "tab-curl", "snippet"]
        assert [name for name in seen if name in order] == order
        page.focus("#input-text")
        page.keyboard.press("Control+a")
        page.keyboard.type("by keys")
        page.focus("#way-once")
        page.keyboard.press("ArrowDown")  # WebSocket
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("#output-result pre:text-is('by keys')")
        assert page.get_attribute("#state", "role") == "status"  # which is read aloud
        page.focus("#tab-curl")
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.id") == "tab-client"
        assert page.inner_text("#snippet").startswith("from aiges.client")
        page.focus("#to-operate")
        page.keyboard.press("Enter")
        page.wait_for_selector("#admin-token:visible")


def test_every_control_has_a_name(chromium: Any, telling: Service) -> None:
    nameless = """() => [...document.querySelectorAll("button, input, select, textarea, a")]
      .filter((node) => !node.hidden && node.type !== "file")
      .filter((node) => !(node.textContent.trim() || node.labels?.length
        || node.getAttribute("aria-label") || node.getAttribute("aria-labelledby")))
      .map((node) => node.id || node.outerHTML)"""
    with browsing(chromium, telling.http_port) as page:
        assert page.evaluate(nameless) == ["admin-hint"]  # hidden until it is given an address


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_screen(width: int, chromium: Any, telling: Service) -> None:
    context = {"viewport": {"width": width, "height": 740}}
    with browsing(chromium, telling.http_port, **context) as page:
        send(page)
        widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1]


# Before there is anything to try:


def test_a_service_without_a_worker_says_so_until_it_has_one(chromium: Any, tmp_path: Path) -> None:
    go = tmp_path / "go"
    waiting = f"""
import time, sys
from pathlib import Path
print("loading weights", file=sys.stderr, flush=True)
while not Path({str(go)!r}).exists():
    time.sleep(0.02)
"""
    (tmp_path / "7.png").write_bytes(DIGIT.read_bytes())
    (tmp_path / "wrapper.py").write_text(waiting + TELLING)
    with Service(tmp_path, pool={"restartWait": 0.2}) as service:
        listening = service.wait_for(r"listening http=\S+?:(\d+) .* admin=\S+?:(\d+)")
        http_port, admin_port = int(listening[1]), int(listening[2])
        service.wait_for("loading weights")
        os.kill(service.worker_pid(), 9)
        service.wait_for("worker died")
        with browsing(chromium, http_port, waits_for="#waiting:visible") as page:
            assert page.inner_text("#waiting-title") == "No worker is ready yet"
            page.wait_for_selector("#waiting-reason:has-text('no worker is ready')")
            link = page.get_attribute("#waiting-hint a", "href")
            assert link == "http://127.0.0.1:1889/console/#operate"
            with browsing(chromium, admin_port, waits_for="#waiting-crash details") as other:
                assert "SIGKILL" in other.inner_text("#waiting-crash")
                assert "loading weights" in other.inner_text("#waiting-crash .tail")
                go.touch()
                other.wait_for_selector("body[data-ready=yes]")
                assert not other.is_visible("#connect-first")
                send(other)  # from the admin port to the service
            page.wait_for_selector("body[data-ready=yes]")
            assert not page.is_visible("#waiting")


def test_another_description_is_offered_not_forced(chromium: Any, tmp_path: Path) -> None:
    source = (ROOT / "wrappers" / "stream" / "wrapper.py").read_text()
    (tmp_path / "wrapper.py").write_text(source)
    with (
        Service(tmp_path).ready() as service,
        browsing(chromium, service.http_port) as page,
    ):
        page.fill("#input-text", "mine")
        (tmp_path / "wrapper.py").write_text(source.replace("value=50", "value=77"))
        assert service.admin("POST", "/reload").status == 200
        page.wait_for_selector("#changed:visible")
        assert page.input_value("#input-text") == "mine"
        page.click("#reload-form")
        assert page.input_value("#parameter-pause") == "77"


def test_the_console_s_files_are_served_and_nothing_beside_them(stream: Service) -> None:
    kinds = {
        "": "text/html",
        "index.html": "text/html",
        "console.css": "text/css",
        "main.js": "text/javascript",
        "icon.svg": "image/svg+xml",
    }
    for port_name, ask in (("service", stream.ask), ("admin", stream.admin)):
        for name, kind in kinds.items():
            answer = ask("GET", f"/console/{name}")
            assert answer.status == 200
            assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
            assert (
                "default-src 'none'; script-src 'self'" in answer.headers["Content-Security-Policy"]
            )
        assert f'data-port="{port_name}"'.encode() in ask("GET", "/console/").body
        moved = ask("GET", "/console")
        assert (moved.status, moved.headers["Location"]) == (301, "/console/")
        for name in (
            "other",
            "../console_files.py",
            "%2e%2e/console_files.py",
            "main.js/",
            "none.js",
        ):
            assert ask("GET", f"/console/{name}").status == 404
    assert stream.ask("GET", "/demo").headers["Location"] == "/console/"
    stream.wait_for(rf"console=http://127\.0\.0\.1:{stream.http_port}/console/$")


# Words:

PAGE = ROOT / "loader" / "aiges_loader" / "frontend" / "console_page"


def test_all_words_are_there_in_both_languages_and_all_are_used(
    chromium: Any, stream: Service
) -> None:
    with browsing(chromium, stream.http_port) as page:
        table = page.evaluate("import('/console/words.js').then(({ WORDS }) => WORDS)")
    for key, said in table.items():
        assert set(said) == {"en", "zh"}
        assert said["en"], key
        assert said["zh"], key
        holes = [sorted(re.findall(r"\{(\w+)\}", text)) for text in said.values()]
        assert holes[0] == holes[1], key
        without_values = re.sub(r"\{\w+\}", "", said["zh"])
        is_name = key == "language" or said["en"] in ("sid", "p50", "p95")
        is_chinese = re.search(r"[\u4e00-\u9fff]", without_values)
        assert is_name or is_chinese or not re.search(r"\w", without_values), key
    source = "\n".join(
        path.read_text("utf-8")
        for path in PAGE.iterdir()
        if path.name not in ("words.js", "icon.svg")
    )
    quoted = set(re.findall(r"""["'`]([a-z][\w -]*)["'`]""", source))
    beginnings = tuple(re.findall(r"`([a-z]+-)\$\{", source))
    ends = tuple(re.findall(r"\$\{\w+\}(-[a-z]+)`", source))
    said_in_page = set(re.findall(r'data-say(?:-\w+)?="([^"]+)"', source))
    assert said_in_page <= set(table)
    unused = [
        k
        for k in table
        if k not in quoted and not k.startswith(beginnings) and not k.endswith(ends)
    ]
    assert unused == []


def test_it_works_where_several_processes_serve_http(chromium: Any, tmp_path: Path) -> None:
    (tmp_path / "wrapper.py").write_bytes(
        (ROOT / "wrappers" / "stream" / "wrapper.py").read_bytes()
    )
    with Service(tmp_path, http={"processes": 2}).ready() as service:
        service.wait_for("front end ready front=2")
        with browsing(chromium, service.http_port) as page:
            for way in ("websocket", "events"):
                page.fill("#input-text", "a b")
                page.check(f"#way-{way}")
                send(page)
                assert page.inner_text("#output-result") == "a b"
