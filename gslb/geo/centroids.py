"""Every country of ISO 3166-1 (and XK): its continent and the point that stands for its clients.

A point is where the people are rather than where the middle of the land is, to whole or half
degrees: a client of a country database is then judged by the distance from most of its countrymen.
Continents are the GeoLite2 ones (Russia and Cyprus are EU, Turkey is AS).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Point = tuple[float, float]

CONTINENTS = ("AF", "AN", "AS", "EU", "NA", "OC", "SA")

_TABLE = {
    "AF": """
        AO -11 15      BF 12.5 -1.5   BI -3.5 30     BJ 7 2.5       BW -24 26      CD -4 22
        CF 5 19        CG -4 15       CI 6.5 -5      CM 4.5 11      CV 15 -24      DJ 11.5 43
        DZ 36 3.5      EG 30 31       EH 26 -13.5    ER 15 39       ET 9 39        GA 0 10
        GH 6 -1        GM 13.5 -16    GN 10 -12      GQ 2.5 10      GW 12 -15      KE -1 37
        KM -12 43.5    LR 6.5 -10.5   LS -29.5 28    LY 32 15       MA 33.5 -7     MG -19 47
        ML 13 -7       MR 18 -15.5    MU -20 57.5    MW -14.5 34.5  MZ -20 36      NA -22 17
        NE 13.5 5      NG 8 6.5       RE -21 55.5    RW -2 30       SC -4.5 55.5   SD 15 32.5
        SH -16 -5.5    SL 8.5 -12     SN 14.5 -16.5  SO 2.5 45.5    SS 5.5 31      ST 0 6.5
        SZ -26.5 31.5  TD 11 16.5     TG 7 1         TN 36 10       TZ -5.5 36     UG 1 32.5
        YT -13 45      ZA -27 28      ZM -14 28      ZW -18.5 30.5
    """,
    "AN": """
        AQ -78 167    BV -54.5 3.5  GS -54 -36.5  HM -53 73.5   TF -49.5 70
    """,
    "AS": """
        AE 25 55      AF 34.5 68.5  AM 40 44.5    AZ 40.5 49.5  BD 24 90.5    BH 26 50.5
        BN 5 115      BT 27.5 90    CC -12 97     CN 32.5 114   GE 42 44      HK 22.5 114
        ID -6.5 108   IL 32 35      IN 22.5 79.5  IO -7 72.5    IQ 33 44.5    IR 34.5 51.5
        JO 32 36      JP 35.5 138   KG 42 74      KH 12 105     KP 39.5 126   KR 37 127.5
        KW 29.5 48    KZ 47 72      LA 18 103     LB 34 35.5    LK 7 80       MM 19 96
        MN 48 106.5   MO 22 113.5   MV 4 73.5     MY 3 102      NP 27.5 85.5  OM 23 57.5
        PH 14 121     PK 31 72      PS 32 35      QA 25.5 51.5  SA 24 45      SG 1.5 104
        SY 34.5 37    TH 14.5 101   TJ 38.5 69    TM 38 59      TR 39.5 32    TW 24.5 121
        UZ 40.5 67    VN 15.5 107   YE 15 45
    """,
    "EU": """
        AD 42.5 1.5   AL 41.5 20    AT 48 15      AX 60 20      BA 44 18      BE 51 4.5
        BG 42.5 24.5  BY 53.5 28    CH 47 8       CY 35 33      CZ 50 15      DE 51 10
        DK 55.5 11    EE 59 25.5    ES 40 -3.5    FI 61.5 25    FO 62 -7      FR 47.5 2.5
        GB 52.5 -1.5  GG 49.5 -2.5  GI 36 -5.5    GR 38.5 23    HR 45.5 16    HU 47.5 19.5
        IE 53 -7      IM 54 -4.5    IS 64 -21.5   IT 43 12      JE 49 -2      LI 47 9.5
        LT 55 24.5    LU 49.5 6     LV 57 24.5    MC 43.5 7.5   MD 47 29      ME 42.5 19
        MK 42 21.5    MT 36 14.5    NL 52 5       NO 60.5 9.5   PL 52 19.5    PT 40 -8.5
        RO 45.5 25.5  RS 44.5 20.5  RU 55.5 44    SE 59 16      SI 46 14.5    SJ 78 15.5
        SK 48.5 19    SM 44 12.5    UA 49.5 31.5  VA 42 12.5    XK 42.5 21
    """,
    "NA": """
        AG 17 -62      AI 18 -63      AW 12.5 -70    BB 13 -59.5    BL 18 -63      BM 32.5 -65
        BQ 12 -68.5    BS 25 -77.5    BZ 17.5 -88.5  CA 46 -79      CR 10 -84      CU 22 -80
        CW 12 -69      DM 15.5 -61.5  DO 18.5 -70    GD 12 -61.5    GL 65 -51.5    GP 16 -61.5
        GT 15 -90.5    HN 14.5 -87    HT 18.5 -72.5  JM 18 -77      KN 17.5 -62.5  KY 19.5 -81
        LC 14 -61      MF 18 -63      MQ 14.5 -61    MS 16.5 -62    MX 20.5 -100   NI 12.5 -86
        PA 9 -80       PM 47 -56      PR 18.5 -66    SV 13.5 -89    SX 18 -63      TC 22 -72
        TT 10.5 -61.5  US 37.5 -92    VC 13 -61      VG 18.5 -64.5  VI 18 -65
    """,
    "OC": """
        AS -14.5 -170.5  AU -33 146       CK -21 -160      CX -10.5 105.5   FJ -18 178
        FM 7 158         GU 13.5 145      KI 1.5 173       MH 7 171         MP 15 145.5
        NC -22 166.5     NF -29 168       NR -0.5 167      NU -19 -170      NZ -39.5 175
        PF -17.5 -149.5  PG -6 146        PN -25 -130      PW 7.5 134.5     SB -9.5 160
        TK -9 -172       TL -8.5 125.5    TO -21 -175      TV -8.5 179      UM 19.5 166.5
        VU -17 168       WF -13.5 -176    WS -14 -172
    """,
    "SA": """
        AR -33.5 -61  BO -17 -66    BR -18 -45.5  CL -33.5 -71  CO 5.5 -74.5  EC -1.5 -79
        FK -51.5 -58  GF 5 -52.5    GY 6.5 -58    PE -11 -76.5  PY -25.5 -57  SR 5.5 -55
        UY -34.5 -56  VE 10 -67
    """,
}


def _read_points(text: str) -> dict[str, Point]:
    """Country code to point, from `CC latitude longitude` repeated."""
    words = text.split()
    return {
        code: (float(latitude), float(longitude))
        for code, latitude, longitude in zip(words[::3], words[1::3], words[2::3], strict=True)
    }


CENTROIDS: Mapping[str, Point] = MappingProxyType(
    {code: point for text in _TABLE.values() for code, point in _read_points(text).items()}
)
"""Country to latitude and longitude in degrees."""

CONTINENT_OF: Mapping[str, str] = MappingProxyType(
    {code: continent for continent, text in _TABLE.items() for code in _read_points(text)}
)
"""Country to continent."""
