"""A made-up city of two towns and three villages, as texts that a test may change by one line."""

from __future__ import annotations

from collections.abc import Mapping

LIFE = """\
[life]
needed_to_file = []
shown_by_photo = []
verify_first = "2h C24"
info = "72h C24"
return_within = "3h C24"
decide_within = "1h C24"
appeal_within = "7Cd"
reopen_within = "7Cd"
archive_after = "30Cd"
parts_margin = "24h C24"
urge_every = "1Cd"
most_returns = 2
most_reworks = 3
most_owners = 3
most_parts = 5
most_depth = 2
many_reporters = 3
group_reporters = 5

[suspensions]
waiting_for_reporter = "72h C24"
weather = "48h C24"

[declines.no_response]
name_zh = "无答复"
name_en = "No answer"

[declines.outside]
name_zh = "界外"
name_en = "Outside"
channel = "12345"

[partners.bank]
name_zh = "银行"
name_en = "Bank"
hub_code = "T1"

[danger_words]
"119" = ["着火"]
"""
"""How cases live in the small city, counted by the wall clock."""

DUPLICATES = """
[duplicates]
window = "72h C24"
recurrence_within = "30Cd"
suggest_score = 0.5
attach_score = 0.8
surge_factor = 2
most_error_m = 40
numbered = [["幢", "栋"], ["楼"]]
told_apart = [["东门", "西门"]]

[duplicates.radius_m]
thing = 30

[duplicates.families]
street = ["pothole"]
"""
"""Only potholes are compared there."""

FILES = {
    "city.toml": """\
name_zh = "小城"
name_en = "Small City"
timezone = "Asia/Shanghai"
nearest_centre_km = 5
coarse_accuracy_m = 200
"""
    + LIFE
    + DUPLICATES,
    "tiers.csv": """\
level,code,name_zh,name_en,desk,duty,place
1,whole,城,City,city_desk,C24,no
2,part,镇,Town,town_desk,C24,no
3,spot,村,Village,village_desk,C24,yes
""",
    "units.csv": """\
unit,level,name_zh,name_en
city_desk,1,城,City desk
town_desk,2,镇,Town desk
village_desk,3,村,Village desk
gas,1,气,Gas company
works,2,建,Works
guard,3,物,Guard
nobody_yet,,无,Sits nowhere
""",
    "hubs.csv": """\
code,parent,level,kind,name,lon,lat,position
C,,1,city,城,120.5,31.0,centre
T1,C,2,town,东镇,120.6,31.0,centre
T2,C,2,town,西镇,120.4,31.0,centre
V11,T1,3,village,东一,120.58,31.0,centre
V12,T1,3,village,东二,120.62,31.0,approximate
V21,T2,3,village,西一,120.4,31.0,centre
""",
    "priorities.csv": """\
priority,name_zh,name_en,accept,verify,triage,report_in,extension,urgent,supervise_after
P1,急,Urgent,15m C24,4h C24,5m C24,30m C24,,yes,30m
P2,常,Ordinary,4h OFF,2WD OFF,1h C24,2h C24,5WD OFF,no,
""",
    "categories.csv": """\
code,name_zh,name_en,kind,tier,owner,else_owner,assist,priority,accept,milestones,variants,verify,flags,basis
pothole,坑,Pothole,thing,2,works,,,P2,4h OFF,on_site=6h OFF;resolve=5WD OFF,deep:resolve=9WD OFF,S,,
ads,广告,Ads,thing,3,guard,village_desk,works,P2,4h OFF,resolve=2WD OFF,,P,transient,
gas,燃气,Gas,safety,1,gas,,,P1,5m C24,resolve=2h C24,,S,hotline:119,
secret,密,Secret,safety,2,works,,,P2,4h OFF,resolve=2WD OFF,,R,confidential,
fire,火,Fire,safety,1,,,,P1,,,,,redirect:119,
other,其他,Other,thing,2,town_desk,,,P2,4h OFF,resolve=5WD OFF,,P,,
""",
    "ladder.csv": """\
clock,stage,step,percent,event,levels_up
owner,accept,warning,50,SlaWarning,
owner,accept,due,100,SlaBreached,
owner,accept,supervise,150,CaseEscalated,1
owner,resolve,due,100,SlaBreached,
owner,*,due,100,SlaBreached,
owner,verify,due,100,VerificationLapsed,
citizen,resolve,due,100,SlaBreached,
""",
    "calendars.csv": """\
code,name_zh,name_en,kind,spans
C24,全天,Wall clock,every,00:00-24:00
OFF,办公,Office hours,workdays,09:00-12:00;13:00-17:00
""",
    "tiles.csv": """\
tile,name_zh,name_en,icon,category,alternatives,hotlines
road,路,Road,M3 3h18,pothole,secret,
danger,险,Danger,M3 3v18,gas,fire,119
""",
    "hotlines.csv": """\
number,name_zh,name_en
119,火警,Fire brigade
""",
    "areas.geojson": """\
{"type": "FeatureCollection", "features": [
{"type": "Feature", "properties": {"code": "V11", "level": 3}, \
"geometry": {"type": "Polygon", "coordinates": \
[[[120.56, 30.98], [120.60, 30.98], [120.60, 31.02], [120.56, 31.02], [120.56, 30.98]]]}},
{"type": "Feature", "properties": {"code": "V12", "level": 3}, \
"geometry": {"type": "Polygon", "coordinates": \
[[[120.60, 30.98], [120.64, 30.98], [120.64, 31.02], [120.60, 31.02], [120.60, 30.98]]]}},
{"type": "Feature", "properties": {"code": "V21", "level": 3}, \
"geometry": {"type": "MultiPolygon", "coordinates": \
[[[[120.38, 30.98], [120.42, 30.98], [120.42, 31.02], [120.38, 30.98]]]]}}
]}
""",
}

GRIDS = """\
code,hub_code,name,rows,sample
V12001,V12,东二一格,R01..R03;R05,no
V12002,V12,东二二格,,yes
V21001,V21,西一一格,R01,yes
"""
"""The file that a city may do without."""


def with_grids(west: str = "120.60", files: Mapping[str, str] | None = None) -> dict[str, str]:
    """The small city, V12001 drawn from `west` to the middle of V12."""
    known = files or FILES
    ring = f"[[{west}, 30.98], [120.62, 30.98], [120.62, 31.02], [{west}, 31.02], [{west}, 30.98]]"
    grid = (
        '{"type": "Feature", "properties": {"code": "V12001", "level": 4}, '
        f'"geometry": {{"type": "Polygon", "coordinates": [{ring}]}}}}'
    )
    areas = known["areas.geojson"].replace("\n]}\n", f",\n{grid}\n]}}\n")
    return {**known, "grids.csv": GRIDS, "areas.geojson": areas}
