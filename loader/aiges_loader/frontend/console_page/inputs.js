// One input of the request: text to type, or a file: chosen, dropped, pasted, recorded.

import { attributeFields } from "./attributes.js";
import { bytesOf, kindOf, wav } from "./bytes.js";
import { make } from "./dom.js";
import { size } from "./format.js";
import { quote, tell } from "./i18n.js";
import { SAMPLE_RATE, canUseDevices, record, watch } from "./media.js";

const ACCEPTED = { image: "image/*", audio: "audio/*,.pcm,.raw", video: "video/*", text: "text/*" };
const ENDINGS = { image: "png", audio: "pcm", video: "mp4", other: "bin", text: "txt" };

export class InputField {
  #declared;
  #onChange;
  #file = null; // {blob, name}; null: what is typed
  #shown = null; // the address of the preview
  #leaveDevice = null;

  constructor(declared, onChange) {
    this.#declared = declared;
    this.#onChange = onChange;
    const { name, kind } = declared;
    this.isText = kind === "text";
    this.attributes = attributeFields(name, declared.attributes, declared.choices);
    this.title = make("h3", { id: `title-${name}` }, make("span", { textContent: name }));
    this.title.append(tell(make("small"), `kind-${kind}`));
    this.message = make("p", { className: "note bad", role: "alert", hidden: true });
    this.preview = make("div", { className: "preview" });
    this.facts = make("p", { className: "note" });
    this.chooser = make("input", {
      type: "file",
      id: `file-${name}`,
      accept: ACCEPTED[kind] ?? "",
      hidden: true,
    });
    this.chooser.addEventListener("change", () => {
      if (this.chooser.files.length) this.take(this.chooser.files[0]);
      this.chooser.value = "";
    });
    this.buttons = make("p", { className: "buttons" });
    this.#button("choose", "choose-file", () => this.chooser.click());
    this.box = make("div", { className: "drop" }, this.preview, this.facts, this.buttons);
    this.box.append(this.chooser, this.message);
    this.node = make("section", { className: "input" }, this.title);
    this.node.setAttribute("aria-labelledby", this.title.id);
    if (declared.about) this.node.append(make("p", { className: "note", textContent: declared.about }));
    if (this.isText) this.#addTextArea(name);
    this.node.append(this.box);
    this.#acceptDrops();
    if (canUseDevices() && kind === "audio") this.#addMicrophone();
    if (canUseDevices() && kind === "image") this.#addCamera();
    this.remove = this.#button("remove", "remove-file", () => this.#reset());
    if (!this.attributes.isEmpty) {
      const summary = tell(make("summary"), "attributes");
      this.node.append(make("details", {}, summary, this.attributes.node));
    }
    this.#reset();
  }

  // What it sends: {name, kind, attributes, given, data, text, file}; text if it was typed.
  value() {
    const { name, kind, attributes } = this.#declared;
    const typed = this.#file === null;
    return {
      name,
      kind,
      attributes: this.attributes.values(),
      given: attributes,
      data: typed ? new Blob([this.area.value]) : this.#file.blob,
      text: typed ? this.area.value : null,
      file: typed ? `${name}.txt` : this.#file.name,
    };
  }

  // Takes a file or a recording: what it is shown as may differ from what is sent.
  async take(file, { name = file.name, shownAs = file } = {}) {
    this.#leave();
    this.#complain("");
    const known = kindOf(new Uint8Array(await file.slice(0, 12).arrayBuffer()));
    if (known) this.attributes.set("encoding", known.ending);
    const typed = known && !shownAs.type ? shownAs.slice(0, shownAs.size, known.type) : shownAs;
    this.#hold(file, name, typed);
  }

  takesPasted(type) {
    return !this.isText && type.startsWith(`${this.#declared.kind}/`);
  }

  leave() {
    this.#leave();
    this.#forgetPreview();
  }

  #reset() {
    const { name, kind, example } = this.#declared;
    this.#leave();
    this.#complain("");
    if (this.isText) {
      this.#file = null;
      this.area.hidden = false;
      this.#forgetPreview();
      quote(this.facts, "");
      this.remove.hidden = true;
      this.#onChange();
      return;
    }
    const bytes = bytesOf(example);
    const known = kindOf(bytes);
    const rate = Number(this.#declared.attributes.sample_rate) || SAMPLE_RATE;
    const isSamples = kind === "audio" && !known;
    const shown = isSamples ? wav(bytes, { rate }) : new Blob([bytes], { type: known?.type });
    this.#hold(new Blob([bytes]), `${name}.${known?.ending ?? ENDINGS[kind]}`, shown, true);
  }

  #hold(blob, name, shown, isExample = false) {
    this.#file = { blob, name };
    this.remove.hidden = isExample;
    if (this.isText) this.area.hidden = true;
    const facts = { name, size: size(blob.size) };
    tell(this.facts, isExample ? "file-example" : "file-facts", facts);
    this.#forgetPreview();
    this.#show(shown, name);
    this.#onChange();
  }

  #show(blob, name) {
    this.#shown = URL.createObjectURL(blob);
    const { kind } = this.#declared;
    const save = make("a", { href: this.#shown, download: name, className: "save" });
    tell(save, "save");
    if (kind === "image") this.preview.append(make("img", { src: this.#shown, alt: name }));
    if (kind === "audio") this.preview.append(make("audio", { src: this.#shown, controls: true }));
    if (kind === "video") this.preview.append(make("video", { src: this.#shown, controls: true }));
    this.buttons.append(save);
  }

  #forgetPreview() {
    if (this.#shown) URL.revokeObjectURL(this.#shown);
    this.#shown = null;
    this.preview.replaceChildren();
    this.box.querySelector(".save")?.remove();
  }

  #addTextArea(name) {
    this.area = make("textarea", { id: `input-${name}`, rows: 4, spellcheck: false });
    this.area.setAttribute("aria-labelledby", this.title.id);
    this.area.value = new TextDecoder().decode(bytesOf(this.#declared.example));
    this.area.addEventListener("input", () => this.#onChange());
    this.box.classList.add("slim");
    this.node.append(this.area);
  }

  #acceptDrops() {
    this.node.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.node.classList.add("over");
    });
    this.node.addEventListener("dragleave", () => this.node.classList.remove("over"));
    this.node.addEventListener("drop", (event) => {
      event.preventDefault();
      this.node.classList.remove("over");
      if (event.dataTransfer.files.length) this.take(event.dataTransfer.files[0]);
    });
  }

  #addMicrophone() {
    let stop = null;
    const button = this.#button("record", "record", async () => {
      if (stop) {
        const ending = stop;
        stop = null;
        this.#leaveDevice = null;
        tell(button, "record");
        await this.#takeRecording(await ending());
        return;
      }
      this.#leave();
      await this.#useDevice(async () => {
        stop = await record();
        this.#leaveDevice = () => {
          stop?.();
          stop = null;
          tell(button, "record");
        };
        tell(button, "record-stop");
        tell(this.facts, "recording");
      });
    });
  }

  async #takeRecording(samples) {
    await this.take(new Blob([samples]), {
      name: `${this.#declared.name}.pcm`,
      shownAs: wav(samples, { rate: SAMPLE_RATE }),
    });
    this.attributes.set("encoding", "raw", "pcm");
    this.attributes.set("sample_rate", SAMPLE_RATE);
    this.attributes.set("bit_depth", 16);
    this.attributes.set("channels", 1);
    this.#onChange();
  }

  #addCamera() {
    let camera = null;
    const button = this.#button("camera", "camera", async () => {
      if (camera) {
        const type = this.#declared.choices.encoding?.includes("jpg") === false ? "png" : "jpeg";
        const picture = await camera.take(`image/${type}`);
        await this.take(picture, { name: `${this.#declared.name}.${type === "png" ? "png" : "jpg"}` });
        return;
      }
      this.#leave();
      await this.#useDevice(async () => {
        const video = make("video", { muted: true, playsInline: true });
        camera = await watch(video);
        this.preview.replaceChildren(video);
        this.#leaveDevice = () => {
          camera?.stop();
          camera = null;
          tell(button, "camera");
        };
        tell(button, "camera-take");
      });
    });
  }

  async #useDevice(use) {
    this.#complain("");
    try {
      await use();
    } catch (error) {
      this.#complain("no-device", { reason: error.message });
    }
  }

  #leave() {
    this.#leaveDevice?.();
    this.#leaveDevice = null;
  }

  #complain(key, values = {}) {
    this.message.hidden = !key;
    if (key) tell(this.message, key, values);
  }

  #button(name, key, act) {
    const button = make("button", { type: "button", id: `${name}-${this.#declared.name}` });
    button.addEventListener("click", act);
    this.buttons.append(tell(button, key));
    return button;
  }
}
