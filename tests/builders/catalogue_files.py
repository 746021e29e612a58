"""A small catalogue as files, valid as it stands: two units, a form of two indicators, due by month and quarter."""

import json
from datetime import UTC, datetime

from services.catalogue.domain.entities import Catalogue
from services.catalogue.domain.files import read_catalogue
from shared.catalogue.builder import SnapshotBuilder
from shared.catalogue.snapshot import Snapshot
from shared.events.catalogue import ReleaseV1

UNIT, OTHER_UNIT, FORM = "SO-A", "SO-B", "001.T/BCS-A"

_FILES = {
    "units.csv": """code,name_vi,name_en,kind,parent,geo_code,kafka_door
CTK,Cục Thống kê,Statistics Office,statistics_office,,56,false
SO-A,Sở A,Department A,department,CTK,56,true
SO-B,Sở B,Department B,department,CTK,56,false
""",
    "dimensions.csv": """id,name_vi,name_en
GEO,Địa bàn,District
SEX,Giới tính,Sex
""",
    "codes.csv": """dimension,code,name_vi,name_en,parent
GEO,568,Thành phố A,City A,
GEO,569,Thành phố B,City B,
SEX,M,Nam,Men,
SEX,F,Nữ,Women,
""",
    "indicators.csv": """code,name_vi,name_en,unit_of_measure,group,dimensions,accumulation
I1,Số doanh nghiệp,Enterprises,doanh nghiệp,03 Doanh nghiệp,GEO;SEX,flow
I2,Vốn đăng ký,Capital,tỷ đồng,03 Doanh nghiệp,GEO,flow
""",
    "forms.csv": """code,title_vi,title_en,direction,receiver
001.T/BCS-A,Đăng ký doanh nghiệp,Registration,inward,CTK
""",
    "form_columns.csv": """form_code,column,name_vi,name_en,frequencies
001.T/BCS-A,value,Trong kỳ,In the period,
001.T/BCS-A,cumulative,Cộng dồn,Cumulative,M
""",
    "form_lines.csv": """form_code,indicator_code,dimensions,columns,decimals,required
001.T/BCS-A,I1,,value;cumulative,0,true
001.T/BCS-A,I1,GEO,value;cumulative,0,true
001.T/BCS-A,I2,GEO=568,value,1,false
""",
    "obligations.csv": """form_code,indicator_code,unit_code,frequency,due_rule,status
001.T/BCS-A,I1,SO-A,M,P+0:D18,estimate
001.T/BCS-A,I2,SO-A,M,P+0:D18,estimate
001.T/BCS-A,I1,SO-A,M,P+1:D18,preliminary
001.T/BCS-A,I1,SO-A,Q,P+0:D12,estimate
001.T/BCS-A,I1,SO-B,M,P+0:D18,estimate
""",
    "not_applicable.csv": """unit_code,indicator_code,dimension,codes
SO-A,I1,GEO,569
""",
    "rules.csv": """code,form_code,severity,expression,tolerance,frequencies,name_vi,name_en,mend_vi,mend_en
R1,001.T/BCS-A,error,required(*),0,,Bắt buộc,Required,Điền số liệu.,Fill it in.
""",
    "contacts.csv": """id,unit_code,name,email,role,forms,valid_from,valid_until
SO-A-1,SO-A,Nguyễn Thị A,a@so-a.example,responsible,,,
SO-A-2,SO-A,Trần Văn B,b@so-a.example,delegate,001.T/BCS-A,,
""",
}
_CALENDAR = {
    "history_from": "2024-03",
    "live_from": "2024-06",
    "live_until": "2024-06",
    "reminders": [{"days_before": 3, "at": "08:00"}],
}


def catalogue_files(calendar: dict[str, object] | None = None, **files: str) -> dict[str, str]:
    """The files; a keyword replaces one (`units` for units.csv), `calendar` changes fields of calendar.json."""
    texts = {**_FILES, **{f"{name}.csv": text for name, text in files.items()}}
    return {**texts, "calendar.json": json.dumps({**_CALENDAR, **(calendar or {})})}


def a_catalogue(calendar: dict[str, object] | None = None, **files: str) -> Catalogue:
    return read_catalogue(catalogue_files(calendar, **files))


def a_file(name: str) -> str:
    """One of the files as it stands, to be changed: `a_file("units").replace(…)`."""
    return _FILES[f"{name}.csv"]


def a_snapshot(catalogue: Catalogue | None = None, release: int = 1) -> Snapshot:
    builder = SnapshotBuilder()
    entities = (catalogue or a_catalogue()).entities
    for entity in entities.values():
        builder.apply(entity)
    marker = ReleaseV1(release=release, published_at=datetime(2024, 6, 1, tzinfo=UTC), entity_count=len(entities))
    snapshot = builder.apply(marker)
    assert snapshot is not None
    return snapshot
