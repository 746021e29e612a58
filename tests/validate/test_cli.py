from pathlib import Path

from typer.testing import CliRunner

from services.validate.cli import app

SAMPLE = Path(__file__).parents[2] / "examples" / "khanh-hoa" / "rules.csv"


def test_a_rule_is_shown_as_it_is_read_and_a_mistake_with_its_place_in_both_languages() -> None:
    good = CliRunner().invoke(app, ["rule", "total( A ,GEO )"])
    assert (good.exit_code, good.stdout) == (0, "total(A, GEO)\n")
    bad = CliRunner().invoke(app, ["rule", "total(A)"])
    assert bad.exit_code == 1
    assert "Ký tự thứ 8" in bad.stderr
    assert "Character 8" in bad.stderr


def test_every_rule_of_the_sample_can_be_read() -> None:
    result = CliRunner().invoke(app, ["rules", str(SAMPLE)])
    assert result.exit_code == 0, result.stderr
    assert ", 0 faults" in result.stdout


def test_all_faults_of_a_file_are_named_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "rules.csv"
    file.write_text('code,expression\nA,required(*)\nB,requird(*)\nC,"total(I, GEO"\n', encoding="utf-8")
    result = CliRunner().invoke(app, ["rules", str(file)])
    assert (result.exit_code, result.stdout) == (1, "3 quy tắc, 2 lỗi / 3 rules, 2 faults\n")
    assert "rules.csv:3 B" in result.stderr
    assert "rules.csv:4 C" in result.stderr


def test_a_file_without_rules_is_no_success(tmp_path: Path) -> None:
    file = tmp_path / "rules.csv"
    file.write_text("code,expression\n", encoding="utf-8")
    assert CliRunner().invoke(app, ["rules", str(file)]).exit_code == 1
