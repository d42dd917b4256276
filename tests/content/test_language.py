"""The language of a text is told where its script leaves no doubt, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_confluence.content.language import certain_language


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ja", "このページでは、新しいサーバーの設定手順を説明します。まず、管理者に連絡してください。"),
        ("ko", "이 페이지는 새로운 서버를 설정하는 방법을 설명합니다. 먼저 관리자에게 문의하십시오."),
        ("th", "หน้านี้อธิบายวิธีตั้งค่าเซิร์ฟเวอร์ใหม่ กรุณาติดต่อผู้ดูแลระบบก่อน"),
        ("el", "Αυτή η σελίδα εξηγεί πώς να ρυθμίσετε τον νέο διακομιστή."),
        ("he", "דף זה מסביר כיצד להגדיר את השרת החדש. יש לפנות תחילה למנהל המערכת."),
        ("ta", "புதிய சேவையகத்தை எவ்வாறு அமைப்பது என்பதை இந்தப் பக்கம் விளக்குகிறது."),
    ],
)
def test_a_script_of_one_language_tells_the_language(language: str, text: str) -> None:
    assert certain_language(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "",
        "This page explains how to set up the new server, and whom to ask.",
        "Cette page explique comment configurer le nouveau serveur, à l'aide d'un exemple très détaillé.",
        "На этой странице описано, как настроить новый сервер и к кому обратиться.",
        "本页面介绍如何设置新服务器。请先联系管理员,然后按照以下步骤进行操作。",
        "本页面介绍如何设置新服务器,日语的「の」表示所属关系。请先联系管理员,然后按照步骤操作。",
        "توضح هذه الصفحة كيفية إعداد الخادم الجديد. يرجى الاتصال بالمسؤول أولا.",
        "די זייַט דערקלערט ווי אַזוי צו שטעלן דעם נייַעם סערווער, און וועמען צו פֿרעגן.",
        "μῆνιν ἄειδε θεὰ Πηληϊάδεω Ἀχιλῆος οὐλομένην, ἣ μυρί᾽ Ἀχαιοῖς ἄλγε᾽ ἔθηκε",
        "The angle α and the sum Σ of β, γ and δ are Greek letters in an English text.",
        "The word 안녕하세요 and the word ありがとう are greetings, explained here for travellers.",
    ],
)
def test_what_may_be_several_languages_stays_open(text: str) -> None:
    assert certain_language(text) is None


def test_code_and_addresses_do_not_count() -> None:
    prose = "このページでは、新しいサーバーの設定手順を説明します。まず、管理者に連絡してください。"
    code = "\n\n```bash\n" + "systemctl restart the-new-server\n" * 50 + "```\n\n<https://example.com/a/long/address>\n"
    assert certain_language(prose + code) == "ja"
    assert certain_language("Restart the server, and then look at its log.\n\n```\n" + prose * 3 + "\n```\n") is None


@given(st.text())
def test_any_text_has_an_answer(text: str) -> None:
    assert certain_language(text) == certain_language(text)
