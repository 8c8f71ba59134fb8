"""Amounts as people say them, in Chinese and English, as a list of words that each have a clip."""

_DIGITS = "零一二三四五六七八九"
_UNITS = ("", "十", "百", "千")
_ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def chinese(number: int) -> list[str]:
    """``1203`` as 一 千 二 百 零 三. Up to 9999 9999 9999."""
    if number == 0:
        return ["零"]
    parts: list[int] = []
    while number:
        number, part = divmod(number, 10_000)
        parts.append(part)
    words: list[str] = []
    gap = False
    for place in range(len(parts) - 1, -1, -1):
        part = parts[place]
        if part:
            if words and (gap or part < 1000):
                words.append("零")
            words += _below_ten_thousand(part)
            words += [("", "万", "亿")[place]] if place else []
            gap = False
        else:
            gap = True
    return words[1:] if words[:2] == ["一", "十"] else words  # 十二, not 一十二, at the beginning


def _below_ten_thousand(number: int) -> list[str]:
    words: list[str] = []
    gap = False
    for place in range(3, -1, -1):
        digit = number // 10**place % 10
        if digit:
            words += ["零"] if gap and words else []
            words += [_DIGITS[digit], _UNITS[place]] if place else [_DIGITS[digit]]
            gap = False
        else:
            gap = True
    return words


def english(number: int) -> list[str]:
    """``1203`` as one thousand two hundred three."""
    if number < 20:
        return [_ONES[number]]
    if number < 100:
        return [_TENS[number // 10], *([_ONES[number % 10]] if number % 10 else [])]
    for size, name in ((1_000_000_000, "billion"), (1_000_000, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = number % size
            return [*english(number // size), name, *(english(rest) if rest else [])]
    return []


def amount(fen: int, lang: str) -> list[str]:
    """``1250`` as 十 二 点 五 元, or twelve point five yuan: without zeros at the end, and never a float."""
    whole, cents = divmod(fen, 100)
    say = chinese if lang == "zh" else english
    tail = f"{cents:02d}".rstrip("0")
    digits = [(_DIGITS if lang == "zh" else _ONES)[int(digit)] for digit in tail]
    point, yuan = ("点", "元") if lang == "zh" else ("point", "yuan")
    return [*say(whole), *([point, *digits] if digits else []), yuan]
