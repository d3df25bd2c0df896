"""Results as a table to read."""

from __future__ import annotations

from typing import Any


def markdown(results: dict[str, Any]) -> str:
    """The results of one set as a Markdown table."""
    rows = ["| system | PSNR, dB | SSIM | seconds a picture |", "| --- | --- | --- | --- |"]
    for name, row in results["systems"].items():
        if "error" in row:
            rows.append(f"| {name} | {row['error']} | | |")
        else:
            rows.append(f"| {name} | {row['psnr']:.2f} | {row['ssim']:.4f} | {row['seconds']:.2f} |")
    made = f"{results['pictures']} pictures, metrics by the convention `{results['convention']}`, {results['machine']}."
    return "\n".join([f"# {results['set']}", "", made, "", *rows, ""])
