"""The faults of the shop's devices, F26 to F34 and F50 of the proof: ``daozhang chaos stage`` brings each about by one command."""

from dataclasses import dataclass


@dataclass(frozen=True)
class OfDevices:
    """One fault. ``faults``, ``power_cut``: what the simulated speaker is given; ``boxes``: how many have its identity."""

    number: str
    zh: str
    en: str
    till_zh: str
    till_en: str
    office_zh: str
    office_en: str
    faults: tuple[str, ...] = ()
    power_cut: str = ""
    boxes: int = 1

    @property
    def command(self) -> str:
        return f"daozhang chaos stage {self.number}"


def find(number: str) -> OfDevices | None:
    return next((one for one in STAGED if one.number == number.upper()), None)


STAGED = (
    OfDevices("F26", "收银机在12步中的每一步断电", "the power of the register goes at each of twelve steps",
              "开机后接着收完未完成的一笔", "after the start the interrupted sale is ended",
              "每位顾客恰好扣款一次;命令列出12行", "each payer is charged exactly once; the command lists twelve rows"),
    OfDevices("F27", "电池将尽,然后没电", "the battery runs down, then it is dead",
              "没播报时看屏幕", "silent: look at the screen", "先有 device.battery_low,离线后是 device.power_lost", "device.battery_low first, device.power_lost once it is gone",
              ("battery",)),
    OfDevices("F28", "流量卡停机、信号弱", "the SIM is suspended, the signal weak",
              "换网络", "use another network", "network.sim_suspended、network.no_data_left", "network.sim_suspended, network.no_data_left", ("sim",)),
    OfDevices("F29", "设备时钟慢三年,加密连接建不起来", "a device's clock is three years behind, and TLS fails",
              "没播报时看屏幕;连上后照常播报", "silent: look at the screen; once connected it speaks as always",
              "device.clock_skew 和它连不上的原因;随后用签过名的时间自己校准,原因消失",
              "device.clock_skew, and why it could not connect; then it sets its clock by a signed time, and the cause is gone", ("years",)),
    OfDevices("F30", "旧软件", "outdated software", "照常播报", "speaks as always", "device.outdated_software", "device.outdated_software", ("old",)),
    OfDevices("F31", "下载固件到一半时断电", "the power goes in the middle of a firmware download",
              "照常播报", "speaks as always",
              "接着下完或重新下载,从不安装半个;命令列出断在哪里、从哪里接着下", "goes on or starts again, a half is never installed; the command lists where it broke and where it went on",
              ("torn",)),
    OfDevices("F32", "以别的商户名义上报", "speaks under another merchant's name",
              "无影响", "nothing", "拒绝,告警 device.foreign_publish", "refused, the alarm device.foreign_publish", ("misbound",)),
    OfDevices("F33", "云喇叭离线十分钟", "a speaker is away for ten minutes",
              "恢复后以“补报”播出原时间,超过三笔合成一句", "afterwards told as late with the original times; more than three in one sentence",
              "没有一句当作新的播出", "none of them is spoken as new", power_cut="5:600"),
    OfDevices("F34", "云喇叭静音", "a muted speaker", "三秒内屏幕上提示没有播报", "within three seconds the screen says that it was not heard",
              "device.speaker_muted;送达不等于播报", "device.speaker_muted; delivered is not played", ("mute",)),
    OfDevices("F34B", "两台设备同时用一个身份", "two boxes with one identity at once", "停用前可能没声音,看屏幕", "may be silent: look at the screen",
              "互相挤掉几次后两台都停用:device.misbound,告警 device.cloned", "after a few take-overs both are shut out: device.misbound, the alarm device.cloned",
              boxes=2),
    OfDevices("F50", "设备网关数据全部丢失、被杀死;断开20秒;与喇叭只断一个方向", "the gateway's data are wiped and it is killed; it is cut off for 20 s; then its line to the speaker is cut one way, each way",
              "每笔播报一次,60秒内", "each payment is heard once, within 60 s", "从账本重新推出,没有洪水;命令列出秒数", "made anew from the books, no flood; the command lists the seconds"),
)  # fmt: skip
