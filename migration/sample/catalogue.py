"""The old platform's service catalogue (`fuwuxiangmu.csv`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from migration.sample.columns import number, repeat, texts
from migration.sample.files import CsvFile

FILE = "fuwuxiangmu.csv"
COLUMNS = ("XMBM", "XMMC", "YJFLBM", "YJFL", "JFFS", "DJ", "ZXSC", "ZDSC", "SFSJ", "GXSJ", "DEL_FLAG")
PER_VISIT, PER_HOUR = 1, 2

#: First-level categories as the old platform numbers and words them.
CATEGORIES = {
    "A01": "助餐", "A02": "居室保洁", "A03": "衣物洗涤", "A04": "个人清洁", "A05": "助浴", "A06": "助行",
    "A07": "起居照料", "A08": "排泄照护", "A09": "体位转移及压疮预防", "A10": "用药照护", "A11": "康复护理",
    "A12": "体征监测", "A13": "健康咨询", "A14": "陪同就医", "A15": "代办代购", "A16": "维修服务", "A17": "探访关爱",
    "A18": "紧急救援", "A19": "精神慰藉", "A20": "适老化改造",
}  # fmt: skip


@dataclass(frozen=True)
class Item:
    """A service item.

    Attributes:
        price: yuan a visit or an hour.
        shortest, longest: minutes.
        weight: how often it is planned.
    """

    name: str
    category: str
    charge: int
    price: int
    shortest: int
    longest: int
    weight: float


ITEMS = (
    Item("送餐上门", "A01", PER_VISIT, 12, 5, 20, 9.0),
    Item("上门做饭", "A01", PER_VISIT, 45, 40, 60, 4.0),
    Item("协助进食", "A01", PER_VISIT, 20, 20, 40, 1.5),
    Item("日常保洁", "A02", PER_HOUR, 40, 40, 65, 14.0),
    Item("厨卫清洁", "A02", PER_HOUR, 45, 40, 65, 4.0),
    Item("窗户清洗", "A02", PER_VISIT, 60, 40, 65, 0.8),
    Item("衣物清洗晾晒", "A03", PER_VISIT, 30, 30, 55, 3.0),
    Item("床品更换清洗", "A03", PER_VISIT, 35, 30, 55, 1.5),
    Item("洗头理发", "A04", PER_VISIT, 30, 25, 45, 4.0),
    Item("口腔清洁", "A04", PER_VISIT, 20, 15, 25, 0.8),
    Item("修剪指（趾）甲", "A04", PER_VISIT, 15, 15, 25, 2.0),
    Item("上门助浴", "A05", PER_VISIT, 120, 45, 65, 4.0),
    Item("床上擦浴", "A05", PER_VISIT, 80, 40, 60, 2.0),
    Item("户外陪行", "A06", PER_HOUR, 40, 30, 65, 2.0),
    Item("轮椅推行", "A06", PER_HOUR, 40, 30, 65, 1.0),
    Item("协助起床穿衣", "A07", PER_VISIT, 25, 20, 40, 2.0),
    Item("协助如厕", "A08", PER_VISIT, 20, 15, 30, 0.8),
    Item("更换尿垫", "A08", PER_VISIT, 25, 15, 30, 0.8),
    Item("留置导尿管护理", "A08", PER_VISIT, 90, 30, 50, 0.3),
    Item("翻身拍背", "A09", PER_VISIT, 30, 20, 40, 1.2),
    Item("压疮护理", "A09", PER_VISIT, 100, 30, 60, 0.5),
    Item("协助服药", "A10", PER_VISIT, 15, 10, 25, 1.5),
    Item("胰岛素注射协助", "A10", PER_VISIT, 30, 10, 25, 0.6),
    Item("肢体被动活动", "A11", PER_HOUR, 80, 30, 60, 2.0),
    Item("康复训练指导", "A11", PER_HOUR, 100, 30, 60, 1.5),
    Item("测量血压血糖", "A12", PER_VISIT, 15, 10, 25, 7.0),
    Item("测量体温脉搏", "A12", PER_VISIT, 10, 10, 20, 1.0),
    Item("健康档案随访", "A13", PER_VISIT, 30, 20, 40, 1.5),
    Item("慢病饮食指导", "A13", PER_VISIT, 30, 20, 40, 0.8),
    Item("陪同门诊", "A14", PER_HOUR, 50, 50, 240, 2.0),
    Item("代取药品", "A14", PER_VISIT, 25, 20, 60, 1.2),
    Item("代购生活用品", "A15", PER_VISIT, 20, 20, 55, 2.0),
    Item("代缴水电费", "A15", PER_VISIT, 10, 10, 40, 0.6),
    Item("水电检修", "A16", PER_VISIT, 80, 30, 65, 0.5),
    Item("家电维修", "A16", PER_VISIT, 100, 30, 65, 0.3),
    Item("上门探访", "A17", PER_VISIT, 20, 20, 45, 8.0),
    Item("电话关怀后上门", "A17", PER_VISIT, 15, 15, 30, 1.0),
    Item("紧急上门处置", "A18", PER_VISIT, 60, 20, 60, 0.3),
    Item("陪伴聊天", "A19", PER_HOUR, 35, 30, 65, 4.0),
    Item("读书读报", "A19", PER_HOUR, 30, 30, 60, 0.6),
    Item("心理疏导", "A19", PER_HOUR, 120, 40, 60, 0.4),
    Item("安装扶手", "A20", PER_VISIT, 260, 40, 65, 0.2),
    Item("防滑处理", "A20", PER_VISIT, 180, 40, 65, 0.2),
    Item("旧版助洁套餐（停用）", "A02", PER_VISIT, 50, 40, 60, 0.0),
)


def item_codes() -> list[str]:
    """`XMBM`: the category's digits and a serial within it."""
    serial: dict[str, int] = {}
    codes = []
    for item in ITEMS:
        serial[item.category] = serial.get(item.category, 0) + 1
        codes.append(f"XM{item.category[1:]}{serial[item.category]:02d}")
    return codes


def write_items(directory: Path) -> int:
    """Writes `fuwuxiangmu.csv`; its rows."""
    count = len(ITEMS)
    with CsvFile(directory / FILE, COLUMNS) as target:
        target.write(
            {
                "XMBM": texts(item_codes()),
                "XMMC": texts([item.name for item in ITEMS]),
                "YJFLBM": texts([item.category for item in ITEMS]),
                "YJFL": texts([CATEGORIES[item.category] for item in ITEMS]),
                "JFFS": number(np.array([item.charge for item in ITEMS])),
                "DJ": texts([f"{item.price}.00" if n % 3 else f"{item.price}元" for n, item in enumerate(ITEMS)]),
                "ZXSC": number(np.array([item.shortest for item in ITEMS])),
                "ZDSC": number(np.array([item.longest for item in ITEMS])),
                "SFSJ": texts(["0" if item.weight == 0 else "1" for item in ITEMS]),
                "GXSJ": repeat("2023/9/18 16:20", count),
                "DEL_FLAG": repeat("0", count),
            }
        )
        return target.rows
