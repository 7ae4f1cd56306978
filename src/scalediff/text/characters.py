r"""One character for all that look like it or mean the same, for comparing texts.

What cannot be seen goes (zero-width and soft-hyphen characters, marks of direction, variation
selectors, tags), every space is a space and every dash a dash, full-width, styled, ligated and
circled characters are plain ones, letters that look like Latin ones are Latin, and signs of
mathematics are the commands that LaTeX has for them.
"""

from __future__ import annotations

import re
import unicodedata

_IGNORABLE = [
    *((0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5)),
    *((0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164)),
    *((0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB)),
    *((0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
]
"""Code points that Unicode calls default-ignorable, from first to last."""

_GREEK = (
    "α alpha β beta γ gamma δ delta ε epsilon ζ zeta η eta θ theta ι iota κ kappa λ lambda μ mu "
    "ν nu ξ xi π pi ρ rho σ sigma ς sigma τ tau υ upsilon φ phi χ chi ψ psi ω omega "
    "Γ Gamma Δ Delta Θ Theta Λ Lambda Ξ Xi Π Pi Σ Sigma Φ Phi Ψ Psi Ω Omega"
)
_SIGNS = (
    r"≠ \ne ± \pm ∓ \mp ∞ \infty √ \sqrt ∛ \sqrt[3] ∠ \angle △ \triangle ∆ \triangle ⊥ \perp "
    r"∥ \parallel ∈ \in ∉ \notin ⊂ \subset ⊆ \subseteq ∪ \cup ∩ \cap ∅ \emptyset ∑ \sum ∏ \prod "
    r"∫ \int ∂ \partial ∇ \nabla ≡ \equiv ≈ \approx ∼ \sim ≅ \cong → \to ⇒ \implies ⇔ \iff "
    r"↦ \mapsto ∀ \forall ∃ \exists ∧ \land ∨ \lor ¬ \neg ⌊ \lfloor ⌋ \rfloor ⌈ \lceil ⌉ \rceil "
    r"⟨ \langle ⟩ \rangle ∘ \circ ° ^\circ º ^\circ ˚ ^\circ ≤ <= ≥ >= ⩽ <= ⩾ >= × * · * "
    r"⋅ * ∙ * ∗ * • * ÷ / ∕ / ⁄ / − - ∣ | ‖ \| ¦ | … ... 。 . 、 , "
    r"‘ ' ’ ' ‚ ' ‛ ' ′ ' ´ ' ʹ ' ʼ ' “ "
    r'" ” " „ " ‟ " ″ " « " » " 「 " 」 "'
)
_LOOK_ALIKES = {
    "АВЕКМНОРСТУХІЈЅԚԜӀҺ": "ABEKMHOPCTYXIJSQWlh",
    "авекмнорстухіјѕԛԝӏһԁѵ": "abekmhopctyxijsqwlhdv",
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο": "ABEZHIKMNOPTYXo",
    "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ": "abcdefghijklmnoprstuvwyz",
    "ıȷɑɡɩօսԍ": "ijagiouG",
}
"""Letters of other scripts and the Latin ones that they look like, in both cases where both do."""

_GREEK_IN_LATIN = str.maketrans("αρνικτυχ", "apviktux")
_WORD = re.compile(r"[A-Za-z\u0370-\u03ff]{3,}")
_FUNCTION = re.compile("sin|cos|tan|cot|sec|csc|log|ln|exp|lim|max|min|mod|det", re.IGNORECASE)
_GREEK_LETTER = re.compile(r"[\u0370-\u03ff]")
_LATIN_LETTER = re.compile(r"[A-Za-z]")
_RAISED = {"<super>": "\x01", "<sub>": "\x02"}
"""Marks of a raised or lowered character, until its neighbours are known: ``¹²`` is one power."""
_GROUPED = re.compile(r"(?<=\d)[\u2009\u202f](?=\d{3}(?!\d))")


def _pairs(text: str) -> dict[str, str]:
    parts = text.split()
    return dict(zip(parts[::2], parts[1::2], strict=True))


_UNSEEN = re.compile("[{}]".format("".join(f"{chr(a)}-{chr(b)}" for a, b in _IGNORABLE)))


def visible(text: str) -> str:
    r"""The text without characters that cannot be seen.

    Example:
        >>> visible("Fi\u200bnd \u00adx")
        'Find x'
    """
    return text if text.isascii() else _UNSEEN.sub("", text)


class _Characters(dict[int, str]):
    """Character → what stands for it; worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = made = self._made(chr(code))
        return made

    def _made(self, character: str) -> str:
        code, kind = ord(character), unicodedata.category(character)
        if kind == "Cf" or _UNSEEN.match(character):
            return ""
        if kind[0] == "Z" or code == 0x2800 or character.isspace():
            return " "
        if kind == "Cc":
            return ""
        if kind == "Pd":
            return " - " if character in "—―⸺⸻" else "-"
        if kind == "Nd":
            return str(unicodedata.decimal(character))
        plain = unicodedata.normalize("NFKC", character)
        if plain == character or code < 128:
            return character
        inner = "".join(self[ord(part)] for part in plain)
        how = unicodedata.decomposition(character).partition(" ")[0]
        if how == "<fraction>":
            return " \\frac{{{}}}{{{}}} ".format(*inner.split("/"))
        return f"{_RAISED[how]}{inner}\x03" if how in _RAISED else inner


_TABLE = _Characters(
    {
        **{
            ord(sign): f" {made} " if made == "*" else f"{made} " if "\\" in made else made
            for sign, made in _pairs(_SIGNS).items()
        },
        **{ord(letter): f"\\{name} " for letter, name in _pairs(_GREEK).items()},
        **{
            ord(one): latin
            for others, letters in _LOOK_ALIKES.items()
            for one, latin in zip(others, letters, strict=True)
        },
    }
)


def plain_characters(text: str) -> str:
    r"""A text with one character for all that look like it or mean the same.

    Example:
        >>> plain_characters("Ｆi\u200bnd\u00a0𝑥² ≤ ½π")
        'Find x^{2} <=  \\frac{1}{2} \\pi '
    """
    text = text.encode("utf-8", "replace").decode("utf-8")
    if greek := _GREEK_LETTER.findall(text):
        if len(greek) > len(_LATIN_LETTER.findall(text)):
            text = text.lower()  # a Greek text: its capitals are Greek
        else:
            text = _WORD.sub(_latin, text)
    text = _GROUPED.sub("", text).translate(_TABLE)
    if "\x03" in text:
        text = text.replace("\x03\x01", "").replace("\x03\x02", "")
        text = text.replace("\x01", "^{").replace("\x02", "_{").replace("\x03", "}")
    return unicodedata.normalize("NFC", text)


def _latin(match: re.Match[str]) -> str:
    """A word with Greek letters among Latin ones that it hides behind; ``sinα`` is none."""
    word = match[0]
    latin = len(_LATIN_LETTER.findall(word))
    if word.isascii() or latin < 2 or 2 * latin < len(word) or _FUNCTION.search(word):
        return word
    return word.translate(_GREEK_IN_LATIN)
