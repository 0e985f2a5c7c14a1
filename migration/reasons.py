"""Why a row was not loaded, or loaded with a remark, as users read it. Codes are stored, texts are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: Code → Chinese text; {} is the source's column.
REASON_TEXTS = {
    "missing": "“{}”缺失，该项必填",
    "missing_key": "主键为空",
    "deleted_in_source": "旧平台已删除该记录",
    "key_conflict": "主键“{}”重复，且内容与前一行不同",
    "malformed_row": "该行的列数与表头不一致",
    "orphan": "“{}”指向的记录在导出中不存在",
    "parent_quarantined": "“{}”指向的记录已被隔离",
    "unknown_code": "“{}”的取值不在代码表内",
    "garbled_text": "“{}”为乱码，无法还原",
    "garbled_text_repaired": "“{}”曾按错误编码保存，已还原",
    "text_cut": "“{}”超长，已截断",
    "bad_number": "“{}”不是数字",
    "out_of_range": "“{}”超出合理范围",
    "bad_date": "“{}”不是有效日期",
    "date_out_of_range": "“{}”超出合理时间范围",
    "end_before_start": "“{}”早于开始时间",
    "status_contradicts_date": "状态与“{}”矛盾",
    "id_invalid": "“{}”校验不通过，原样保留并标记",
    "id_short_form": "“{}”为15位，已升位",
    "id_sex_mismatch": "“{}”与性别不一致",
    "id_birth_date_mismatch": "“{}”与出生日期不一致",
    "phone_invalid": "“{}”不是有效号码，原样保留并标记",
    "credit_code_invalid": "“{}”校验不通过，未采用",
    "position_outside": "“{}”不在本市范围内",
    "position_swapped": "“{}”经纬度颠倒，已调换",
    "position_zero": "“{}”为零，视为缺失",
    "division_unknown": "“{}”无法对应到现行区划",
    "division_by_name": "“{}”已失效，按区划全称对应",
    "division_stale": "“{}”为旧代码，已换为现行代码",
    "division_parent": "“{}”无法对应到村社，归入上级区划",
    "repeated_value": "“{}”与另一条记录相同",
    "bed_occupied": "同一床位在此期间已有他人入住",
    "elder_elsewhere": "该老人在此期间已有入住记录",
    "device_bound": "该设备在此期间已绑定其他床位",
    "family_bed_open": "该老人在此期间已有家庭养老床位",
    "changed_in_app": "该记录在新平台已修改，旧平台的改动未覆盖",
    "event_changed": "事件类记录不可更改，旧平台的改动未采用",
    "photo_missing": "导出中没有“{}”所指的照片文件",
    "photo_unreadable": "“{}”所指的文件不是可读的照片",
    "photo_hash_differs": "“{}”与照片文件内容不符",
    "unit_converted": "“{}”按另一计量单位记录，已换算",
    "duplicate_row": "与前一行完全相同",
}


def reason_text(reason: str, titles: Mapping[str, str]) -> str:
    """The text of one `code:column`.

    Args:
        titles: what users call the source's columns.
    """
    code, _, column = reason.partition(":")
    return REASON_TEXTS[code].format(titles.get(column, column))


def reasons_text(reasons: Sequence[str], titles: Mapping[str, str]) -> str:
    """The texts of several, as one."""
    return "；".join(reason_text(reason, titles) for reason in reasons)
