"""The pages of knowledge, without a browser: what they show, and what their forms do."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudberth.knowledge.workers import ThreadWorkers
from cloudberth.server.application import create_application
from cloudberth.server.building import build_services, close_services
from cloudberth.server.knowledge.highlighting import highlighted, terms
from cloudberth.server.paragraphs import unwrapped
from cloudberth.server.sections import load_sections
from cloudberth.server.settings import ServerSettings
from doubles.console import Console, form_token

TEXT = "# Leave\n\nParental leave is six months long.\n\n# 年假\n\n员工每年享有十五天带薪年假。\n"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """The administrator of a server whose workers run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BERTH_KNOWLEDGE_EMBEDDING", "hash")
        patch.setenv("BERTH_KNOWLEDGE_EMBEDDING_DIMENSIONS", "64")
        services = build_services(ServerSettings(tmp_path_factory.mktemp("pages")), load_sections())
        visitor = Console(create_application(services, load_sections()), services)
        assert visitor.sign_in(services.admin.renew()).status_code == 303
        with ThreadWorkers(services.knowledge.service.parts):
            yield visitor
        close_services(services)


@pytest.fixture
def base(console: Console, request: pytest.FixtureRequest) -> str:
    """The address of a new dataset."""
    answer = console.post("/knowledge", "/knowledge", name=request.node.name, description="<b>bold</b>")
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def upload(console: Console, base: str, name: str, text: str, **headers: str) -> object:
    token = form_token(console.get(base))
    return console.client.post(
        f"{base}/documents",
        data={"form_token": token},
        files={"file": (name, text.encode())},
        headers=headers,
    )


def settle(console: Console, base: str) -> None:
    service, dataset = console.services.knowledge.service, base.rpartition("/")[2]
    ends = time.monotonic() + 60
    while service.jobs(dataset_id=dataset).total:
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_everything_is_for_those_who_are_signed_in(console, base) -> None:
    cookies = dict(console.client.cookies)
    console.client.cookies.clear()
    try:
        for path in ("/knowledge", base, f"{base}/search", f"{base}/settings", f"{base}/keys"):
            answer = console.client.get(path)
            assert answer.status_code == 303 and "/sign-in" in answer.headers["location"], path
        assert console.client.post(f"{base}/documents", files={"file": ("a", b"x")}).status_code == 401
    finally:
        console.client.cookies.update(cookies)


def test_a_dataset_is_made_and_listed(console, base) -> None:
    page = console.get("/knowledge")
    assert f'href="{base}"' in page and "&lt;b&gt;bold" in page and "<b>bold" not in page
    again = console.post("/knowledge", "/knowledge", name=test_a_dataset_is_made_and_listed.__name__)
    assert again.status_code == 400 and "there is a dataset of this name already" in again.text
    assert f'value="{test_a_dataset_is_made_and_listed.__name__}"' in again.text, "what was typed stays"
    assert "No dataset fits." in console.get("/knowledge?q=nothing-like-this")


def test_a_file_goes_from_the_form_to_its_chunks(console, base) -> None:
    answer = upload(console, base, "leave.md", TEXT)
    assert (answer.status_code, answer.headers["location"]) == (303, base)
    settle(console, base)
    table = console.get(base)
    assert "leave.md" in table and ">ready<" in table
    where = re.search(rf'href="({base}/documents/[^"]+)"', table)[1]
    page = console.get(where)
    assert "Parental leave is six months long." in page and "十五天" in page and "tokens" in page
    assert console.client.get(f"{where}/original").content == TEXT.encode()
    bad = console.post(f"{where}/metadata", where, name="leave.md", metadata="{no json")
    assert bad.status_code == 400 and "this is no JSON" in bad.text and "{no json" in bad.text
    good = console.post(f"{where}/metadata", where, name="leave.md", metadata='{"lang": "en"}')
    assert good.status_code == 303
    assert "&#34;lang&#34;: &#34;en&#34;" in console.get(where)
    assert console.post(f"{where}/reindex", where, stay="1").headers["location"] == where
    settle(console, base)
    assert console.post(f"{where}/delete", where).headers["location"] == base
    assert "There is no document yet." in console.get(base)


def test_a_script_is_told_what_became_of_its_file(console, base) -> None:
    taken = upload(console, base, "a.txt", "some text", **{"x-part": "1"})
    assert taken.status_code == 200 and len(taken.json()["documents"]) == 1
    empty = upload(console, base, "b.txt", "", **{"x-part": "1"})
    assert empty.status_code == 400 and "there is nothing in it" in empty.json()["error"]
    token = form_token(console.get(base))
    none = console.client.post(f"{base}/documents", data={"form_token": token}, files={})
    assert none.status_code == 400
    strange = console.client.post(
        f"{base}/documents",
        data={"form_token": "x"},
        files={"file": ("a.txt", b"x")},
        headers={"x-part": "1"},
    )
    assert strange.status_code == 403
    settle(console, base)


def test_chunks_are_seen_before_anything_is_kept(console, base) -> None:
    token = form_token(console.get(base))
    sent = {"data": {"form_token": token}, "files": {"file": ("leave.md", TEXT.encode())}}
    part = console.client.post(f"{base}/preview", headers={"x-part": "1"}, **sent)
    assert part.status_code == 200 and "<html" not in part.text and "six months" in part.text
    whole = console.client.post(f"{base}/preview", **sent)
    assert "<html" in whole.text and "Preview: nothing was kept" in whole.text
    sent["files"] = {"file": ("x.pdf", b"%PDF-1.4 no")}
    assert 'role="alert"' in console.client.post(f"{base}/preview", headers={"x-part": "1"}, **sent).text
    assert "There is no document yet." in console.get(base)


def test_the_playground_shows_scores_sources_and_time(console, base) -> None:
    upload(console, base, "leave.md", TEXT)
    settle(console, base)
    page = console.get(f"{base}/search?q=parental+leave")
    assert (
        "<mark>Parental leave</mark>" in page.replace("</mark> <mark>", " ")
        or "<mark>Parental</mark>" in page
    )
    assert "leave.md" in page and re.search(r'class="value">[01]\.\d{3}<', page)
    assert all(word in page for word in ("Order", "Meaning", "Words", "How long it took", "The whole trace"))
    answer = console.get(f"{base}/search?q=带薪年假&do=answer")
    assert re.search(r'class="cite" href="#source-\d+">\[\d+\]</a>', answer) and "十五" in answer
    assert "from the cache" in console.get(f"{base}/search?q=parental+leave")
    wrong = console.client.get(f"{base}/search?q=x&filter=year+%3E")
    assert wrong.status_code == 400 and 'role="alert"' in wrong.text
    assert console.client.get(f"{base}/search?q=x&k=abc").status_code == 400
    script = console.get(f"{base}/search?q=%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in script
    assert "Nothing was found." in console.get(f"{base}/search?q=leave&filter=lang+%3D%3D+%22fr%22")


def test_settings_are_kept_and_checked(console, base) -> None:
    where = f"{base}/settings"
    fields = {
        "name": "renamed " + base[-6:], "description": "", "mode": "text", "k": "7", "threshold": "0,25",
        "chunk-mode": "parent-child", "chunk-max_tokens": "600", "chunk-overlap_tokens": "0",
        "chunk-parent_mode": "full-doc", "chunk-child_max_tokens": "90", "chunk-separators": "\\n\\n\n---",
        "rule-remove_urls_emails": "1",
    }  # fmt: skip
    assert console.post(where, where, **fields).headers["location"] == f"{where}?saved=1"
    kept = console.services.knowledge.service.dataset(base.rpartition("/")[2])
    assert (str(kept.retrieval.mode), kept.retrieval.k, kept.retrieval.score_threshold) == ("text", 7, 0.25)
    assert kept.chunking["mode"] == "parent-child" and kept.chunking["child_max_tokens"] == 90
    assert list(kept.chunking["separators"]) == ["\n\n", "---"]
    assert kept.chunking["cleaning"]["remove_urls_emails"] is True
    assert kept.chunking["cleaning"]["remove_extra_spaces"] is False
    page = console.get(where)
    assert 'value="0.25"' in page and "\\n\\n\n---</textarea>" in html.unescape(page)
    for name, value in (
        ("k", "0"),
        ("k", "x"),
        ("chunk-max_tokens", "1"),
        ("threshold", "much"),
        ("name", ""),
    ):
        answer = console.post(where, where, **{**fields, name: value})
        assert answer.status_code == 400 and 'role="alert"' in answer.text, name
    assert console.post(f"{base}/delete", where).headers["location"] == "/knowledge"
    assert console.client.get(base).status_code == 404


def test_keys_are_shown_once_rotated_and_revoked(console, base) -> None:
    where = f"{base}/keys"
    made = console.post(where, where, label="intranet", scope="read", reach="one", days="30")
    key = re.search(r'id="made">(kb_[\w-]+)<', made.text)[1]
    access = console.services.knowledge.service.authenticate(key)
    assert access.dataset_id == base.rpartition("/")[2] and str(access.scope) == "read"
    page = console.get(where)
    assert key not in page and key[-4:] in page and "until " in page
    key_id = re.search(rf"{where}/(key-\w+)/rotate", page)[1]
    turned = console.post(f"{where}/{key_id}/rotate", where)
    second = re.search(r'id="made">(kb_[\w-]+)<', turned.text)[1]
    assert second != key and console.services.knowledge.service.authenticate(second)
    assert console.post(f"{where}/{key_id}/revoke", where).status_code == 303
    assert console.services.knowledge.service.authenticate(key) is None
    assert console.post(where, where, label="x", days="0").status_code == 400
    assert console.post(f"{where}/key-000000000000/revoke", where).status_code == 404


def test_pages_speak_chinese(console, base) -> None:
    console.client.cookies.set("berth_language", "zh")
    try:
        for path, words in {
            "/knowledge": ("新建知识库", "向量模型"), base: ("选择文件或拖放到此处", "还没有文档"),
            f"{base}/search?q=x": ("检索方式", "耗时"), f"{base}/settings": ("切分设置", "父子分段"),
            f"{base}/keys": ("新建密钥", "外部知识库"),
        }.items():  # fmt: skip
            page = console.get(path)
            assert all(word in page for word in words), path
    finally:
        console.client.cookies.delete("berth_language")


def test_no_page_has_inline_scripts_or_styles(console, base) -> None:
    upload(console, base, "leave.md", TEXT)
    settle(console, base)
    for path in ("/knowledge", base, f"{base}/search?q=leave&do=answer", f"{base}/settings", f"{base}/keys"):
        page = console.get(path)
        assert not re.search(r"\sstyle=|\son\w+=|<script(?![^>]* src=)", page), path
        labels = set(re.findall(r'<label[^>]* for="([^"]+)"', page))
        for field in re.findall(r"<(?:input|select|textarea)\b([^>]*)>", page):
            if "hidden" not in field and 'type="checkbox"' not in field:
                assert re.search(r'\bid="([^"]+)"', field)[1] in labels, (path, field)


@pytest.mark.parametrize(
    ("text", "question", "marked"),
    [
        ("Parental leaves are long", "leave", ["leaves"]),
        ("The cleaver", "leave", []),
        ("员工享有带薪年假", "带薪年假有几天", ["带薪年假"]),
        ("nothing here", "the of and", []),
        ("a.b*c (x)", "b*c (x", []),
        ("İstanbul ıs", "istanbul", ["İstanbul"]),
        ("", "leave", []),
    ],
)
def test_what_is_marked(text: str, question: str, marked: list[str]) -> None:
    pieces = highlighted(text, question)
    assert "".join(piece.text for piece in pieces) == text
    assert [piece.text for piece in pieces if piece.marked] == marked


@pytest.mark.parametrize(
    ("count", "said"), [(1, ("1 document ·", "1 chunk<")), (2, ("2 documents ·", "2 chunks<"))]
)
def test_one_is_said_as_one(console, base, count: int, said: tuple[str, str]) -> None:
    for number in range(count):
        upload(console, base, f"{number}.md", f"Ferries of pier {number} are punctual.\n")
    settle(console, base)
    cards = console.get("/knowledge")
    card = cards[cards.index(base) :].partition("</article>")[0]
    assert all(words in card for words in said), card


WRAPPED = "Ships wait at the outer\nbuoy until the pilot\ncomes aboard.\n\n- first\n- second\n"


def test_passages_flow_and_keep_their_paragraphs(console, base) -> None:
    """On the page of a document, in its preview, and where it was found."""
    upload(console, base, "harbour.md", WRAPPED)
    settle(console, base)
    token = form_token(console.get(base))
    preview = console.client.post(
        f"{base}/preview", data={"form_token": token}, files={"file": ("a.md", WRAPPED.encode())}
    ).text
    address = re.search(rf'href="({base}/documents/[^"]+)"', console.get(base))
    assert address
    found = re.sub(r"</?(mark|span)[^>]*>", "", console.get(f"{base}/search?q=outer+buoy&do=answer"))
    for shown in (preview, console.get(address[1]), found):
        assert "Ships wait at the outer buoy until the pilot comes aboard." in shown
        assert "- first\n- second" in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("one\ntwo", "one two"),
        ("one\r\n  two", "one two"),
        ("one\n\ntwo\nthree", "one\n\ntwo three"),
        ("读者每次最多可以\n借阅十本图书，\n期限为三十天。", "读者每次最多可以借阅十本图书，期限为三十天。"),
        ("使用 Redis\n缓存", "使用 Redis 缓存"),
        ("한국어\n문장", "한국어 문장"),
        ("# Head\ntext", "# Head\ntext"),
        ("said:\n1. one\n2. two", "said:\n1. one\n2. two"),
        ("| a | b |\n| 1 | 2 |", "| a | b |\n| 1 | 2 |"),
        ("verse  \nnext", "verse\nnext"),
        ("```\na\nb\n```", "```\na\nb\n```"),
        ("\none\n", "\none\n"),
        ("", ""),
    ],
)
def test_lines_that_belong_together(text: str, shown: str) -> None:
    assert unwrapped(text) == shown


def test_a_long_question_marks_quickly() -> None:
    began = time.monotonic()
    highlighted("word " * 20_000, " ".join(f"w{number}" for number in range(5_000)) + "长" * 3_000)
    assert time.monotonic() - began < 5 and len(terms("长" * 3_000)) < 100


def test_the_sample_is_made_once(console, tmp_path: Path) -> None:
    from cloudberth.knowledge.opening import open_knowledge
    from cloudberth.server.knowledge.sample import seed

    mark = tmp_path / "seeded"
    with open_knowledge({"BERTH_KNOWLEDGE_EMBEDDING": "hash"}, tmp_path / "data") as service:
        assert seed(service, mark) and not seed(service, mark)
        made = service.datasets().items[0]
        names = {one.name: one.metadata["lang"] for one in service.documents(made.id).items}
        assert names == {"handbook.en.md": "en", "handbook.zh.md": "zh"}
        service.delete_dataset(made.id)
        assert not seed(service, mark) and service.datasets().total == 0, "what was deleted stays deleted"
