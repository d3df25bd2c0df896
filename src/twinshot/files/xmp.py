"""XMP and IPTC beside a picture: carried over, put right where they speak of the old pixels, and told what was done."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.sax.saxutils import quoteattr

IN_JPEG = 65_502  # bytes: a segment's length has 16 bits, and the name of the standard takes 29
_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
).encode()
_NAMESPACES = (
    'xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"'
)
# What went with the old file: a gain map, a video, a second part for what one segment does not hold.
_GONE = rb"(?:hdrgm|GCamera|G?Container|GainContainer):\w+|xmpNote:HasExtendedXMP"
_SETTINGS = rb"crs:\w+"


def upright(packet: bytes, width: int, height: int) -> bytes:
    """The packet for an upright picture of this size, in px, that has neither gain map nor video."""
    packet = _without(packet, _GONE)
    for name, value in (("tiff:Orientation", 1), ("exif:PixelXDimension", width), ("exif:PixelYDimension", height)):
        at = name.encode()
        packet = re.sub(rb"(\b" + at + rb"=[\"'])\d+", rb"\g<1>%d" % value, packet)
        packet = re.sub(rb"(<" + at + rb">)\s*\d+", rb"\g<1>%d" % value, packet)
    return packet


def without_settings(packet: bytes) -> bytes:
    """The packet without a raw developer's settings, which were meant for other pixels."""
    return _without(packet, _SETTINGS)


def _without(packet: bytes, names: bytes) -> bytes:
    """The packet without attributes and elements whose names match; in one pass, whatever a damaged packet holds."""
    packet = re.sub(rb"\s(?:" + names + rb")=(?:\"[^\"]*\"|'[^']*')", b"", packet)
    kept, start, inside = [], 0, b""
    for tag in re.finditer(rb"<(/?)([\w:]+)[^<>]*>", packet):
        closes, name = tag[1], tag[2]
        if not inside and not closes and re.fullmatch(names, name):
            kept.append(packet[start : tag.start()])
            start, inside = tag.start(), name
        if name == inside and (closes or tag[0].endswith(b"/>")):
            start, inside = tag.end(), b""
    return b"".join([*kept, packet[start:]])


def with_history(packet: bytes, software: str, what: str) -> bytes:
    """The packet with one more event: this software made the picture, and how.

    What is no packet of the usual spelling is left as it is.
    """
    when = datetime.now(UTC).isoformat(timespec="seconds")
    event = (
        f'<rdf:li stEvt:action="derived" stEvt:softwareAgent={quoteattr(software)} stEvt:when="{when}" '
        f"stEvt:parameters={quoteattr(what)}/>"
    )
    old = re.search(rb"<xmpMM:History>\s*<rdf:Seq>", packet)
    end = packet.find(b"</rdf:Seq>", old.end()) if old else -1
    if end >= 0:
        event = event.replace("<rdf:li", f"<rdf:li {_NAMESPACES}", 1)
        return packet[:end] + event.encode(errors="replace") + packet[end:]
    return with_description(
        packet,
        f'<rdf:Description rdf:about="" {_NAMESPACES}><xmpMM:History><rdf:Seq>{event}</rdf:Seq></xmpMM:History>'
        "</rdf:Description>",
    )


def with_description(packet: bytes, description: str) -> bytes:
    """The packet, or a new one, with one more rdf:Description; as it is where it is no packet of the usual spelling."""
    packet = packet or _EMPTY
    whole = re.sub(rb"<rdf:RDF\b([^<>]*)/>", rb"<rdf:RDF\1></rdf:RDF>", packet)
    head, end, tail = whole.rpartition(b"</rdf:RDF>")
    # A file's name may have bytes that are no text.
    return head + description.encode(errors="replace") + end + tail if end else packet


def for_jpeg(packet: bytes) -> bytes:
    """The packet without its padding where that makes it fit into a segment; empty where nothing does."""
    if len(packet) > IN_JPEG:
        packet = re.sub(rb"\s{100,}", b"\n", packet)
    return packet if len(packet) <= IN_JPEG else b""


def iptc_of(resources: bytes) -> bytes:
    """The IPTC records among Photoshop's image resources (0x0404); empty where there are none."""
    place = 0
    while resources[place : place + 4] == b"8BIM":
        name = (resources[place + 6] if place + 6 < len(resources) else 0) // 2 * 2 + 2
        start = place + 6 + name + 4
        size = int.from_bytes(resources[start - 4 : start], "big")
        if resources[place + 4 : place + 6] == b"\x04\x04":
            return resources[start : start + size]
        place = start + size + size % 2
    return b""


def resources_of(iptc: bytes) -> bytes:
    """IPTC records as Photoshop's image resources, as JPEG and PNG hold them."""
    return b"8BIM\x04\x04\0\0" + len(iptc).to_bytes(4, "big") + iptc + bytes(len(iptc) % 2)
