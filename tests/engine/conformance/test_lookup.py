"""The walk of RFC 1034 4.3.2: what is answered, denied, referred, refused."""

from __future__ import annotations

import dns.flags
import pytest

from gslb.health.snapshot import HealthSnapshot, SiteHealth
from tests.engine.conformance.asking import (
    World,
    child_zone,
    compile_text,
    make_table,
    rel,
    rel_world,
    rel_zone,
    rows,
)
from tests.engine.conformance.octets import message, opt, question

NOERROR, NXDOMAIN, REFUSED = 0, 3, 5
SOA = ["rel.test.zone. 60 IN SOA ns1 hostmaster 2024010101 7200 900 1209600 60"]
REFERRAL = ["sub 300 IN NS ns1.sub", "sub 300 IN NS ns2.sub"]
GLUE = [
    "ns1.sub 300 IN A 192.0.2.51",
    "ns1.sub 300 IN AAAA 2001:db8::51",
    "ns2.sub 300 IN A 192.0.2.52",
    "ns2.sub 300 IN AAAA 2001:db8::52",
]
WORLD = rel_world()


def has_aa(reply) -> bool:
    return bool(reply.flags & dns.flags.AA)


def expect(reply, rcode=NOERROR, *, answer=(), authority=(), additional=(), aa=True):
    assert reply.rcode() == rcode
    assert rows(reply.answer) == sorted(answer)
    assert rows(reply.authority) == sorted(authority)
    assert rows(reply.additional) == sorted(additional)
    assert has_aa(reply) is aa


def test_a1_an_rrset_is_answered_alone():
    expect(WORLD.ask(rel("www")), answer=["www 300 IN A 192.0.2.10", "www 300 IN A 192.0.2.11"])


@pytest.mark.parametrize(
    ("name", "rtype"),
    [("mail", "AAAA"), ("www", "HINFO"), ("www", 65280), ("www", 65535), ("www", 0), ("www", 46)],
)
def test_a2_a_type_that_is_not_there_is_nodata(name, rtype):
    expect(WORLD.ask(rel(name), rtype), authority=SOA)


@pytest.mark.parametrize("name", ["nope", "a.b.nope", "x.www", "a.b.c.ent"])
def test_a3_a_name_that_is_not_there_is_nxdomain(name):
    expect(WORLD.ask(rel(name)), NXDOMAIN, authority=SOA)


@pytest.mark.parametrize(("name", "rtype"), [("ent", "A"), ("_tcp", "SRV"), ("ent", "ANY")])
def test_a4_an_empty_non_terminal_is_nodata(name, rtype):
    expect(WORLD.ask(rel(name), rtype), authority=SOA)


def test_a5_an_alias_is_followed_inside_the_zone():
    reply = WORLD.ask(rel("second"))
    expect(
        reply,
        answer=[
            "second 300 IN CNAME alias",
            "alias 300 IN CNAME www",
            "www 300 IN A 192.0.2.10",
            "www 300 IN A 192.0.2.11",
        ],
    )
    assert [str(one.name) for one in reply.answer] == [rel("second"), rel("alias"), rel("www")]


@pytest.mark.parametrize("source", ["193.0.0.1", "8.8.8.8"])
def test_a5_an_alias_of_a_tailored_service_is_not_followed(source):
    reply = WORLD.send(message(question(rel("toservice"))), source)
    expect(reply, answer=["toservice 300 IN CNAME geo"])


@pytest.mark.parametrize("rtype", ["CNAME", "ANY"])
def test_a6_an_alias_itself_is_not_followed(rtype):
    expect(WORLD.ask(rel("second"), rtype), answer=["second 300 IN CNAME alias"])


@pytest.mark.parametrize("rtype", ["MX", "AAAA"])
def test_a7_an_alias_to_a_name_without_the_type_is_nodata(rtype):
    reply = WORLD.ask(rel("nodata"), rtype)
    expect(reply, answer=["nodata 300 IN CNAME mail"], authority=SOA)


def test_a8_an_alias_to_nothing_is_nxdomain():
    reply = WORLD.ask(rel("dangle"))
    expect(reply, NXDOMAIN, answer=["dangle 300 IN CNAME nope"], authority=SOA)


def test_a9_an_alias_out_of_the_zone_ends_there():
    expect(WORLD.ask(rel("ext")), answer=["ext 300 IN CNAME www.example.org."])


@pytest.mark.parametrize(
    ("name", "links"),
    [
        ("loopa", ["loopa 300 IN CNAME loopb", "loopb 300 IN CNAME loopa"]),
        ("self", ["self 300 IN CNAME self"]),
        ("q.turn", ["q.turn 300 IN CNAME x.turn", "x.turn 300 IN CNAME x.turn"]),
    ],
)
def test_a10_a_loop_ends_with_each_record_once(name, links):
    expect(WORLD.ask(rel(name)), answer=links)


def test_a10_a_chain_of_20_ends_after_10():
    links = [f"c{at} 300 IN CNAME c{at + 1}" for at in range(1, 11)]
    expect(WORLD.ask(rel("c1")), answer=links)


def test_a10_a_chain_of_10_is_answered():
    links = [f"c{at} 300 IN CNAME c{at + 1}" for at in range(11, 20)]
    expect(WORLD.ask(rel("c11")), answer=[*links, "c20 300 IN A 192.0.2.40"])


@pytest.mark.parametrize(
    ("name", "rtype"),
    [
        ("h.sub", "A"),
        ("sub", "A"),
        ("sub", "NS"),
        ("sub", "SOA"),
        ("sub", "ANY"),
        ("ns1.sub", "A"),
        ("h.sub", "DS"),
        ("a.b.c.sub", "CNAME"),
    ],
)
def test_a11_a_delegated_name_is_a_referral(name, rtype):
    expect(WORLD.ask(rel(name), rtype), authority=REFERRAL, additional=GLUE, aa=False)


def test_a11_a_referral_takes_no_glue_from_elsewhere_but_addresses_of_the_zone():
    expect(
        WORLD.ask(rel("h.signed")),
        authority=["signed 300 IN NS ns.example.org.", "signed 300 IN NS ns2"],
        additional=["ns2 300 IN A 192.0.2.2"],
        aa=False,
    )


def test_a12_ds_at_a_cut_is_the_parents():
    expect(WORLD.ask(rel("sub"), "DS"), authority=SOA)
    (line,) = rows(WORLD.ask(rel("signed"), "DS").answer)
    assert line.startswith("signed 300 IN DS 12345 13 2 ")


def test_a13_an_alias_into_a_delegated_zone_ends_with_the_referral():
    reply = WORLD.ask(rel("todeleg"))
    expect(
        reply, answer=["todeleg 300 IN CNAME h.sub"], authority=REFERRAL, additional=GLUE, aa=True
    )


@pytest.mark.parametrize(
    ("name", "rtype"),
    [
        ("example.org.", "A"),
        (".", "NS"),
        ("test.", "SOA"),
        ("zone.", "NS"),
        ("xrel.test.zone.", "A"),
    ],
)
def test_a15_a_name_that_is_not_ours_is_refused(name, rtype):
    reply = WORLD.ask(name, rtype)
    expect(reply, REFUSED, aa=False)
    assert [(int(one.otype), int(one.code)) for one in reply.options] == [(15, 20)]


def test_a17_the_deepest_zone_answers():
    expect(WORLD.ask(rel("www.child")), answer=["www.child 300 IN A 192.0.2.91"])
    expect(
        WORLD.ask(rel("child"), "NS"),
        answer=["child 300 IN NS ns.child"],
        additional=["ns.child 300 IN A 192.0.2.90"],
    )
    expect(
        WORLD.ask(rel("nope.child")),
        NXDOMAIN,
        authority=["child 60 IN SOA ns.child hostmaster.child 1 7200 900 1209600 60"],
    )


def test_a17_ds_of_the_child_is_the_parents():
    (line,) = rows(WORLD.ask(rel("child"), "DS").answer)
    assert line.startswith("child 300 IN DS 23456 13 2 ")


def test_a17_ds_of_a_zone_whose_parent_is_not_here_is_nodata():
    alone = World(child_zone())
    reply = alone.ask(rel("child"), "DS")
    expect(reply, authority=["child 60 IN SOA ns.child hostmaster.child 1 7200 900 1209600 60"])


def test_a17_an_alias_into_a_child_served_here_ends_with_the_alias():
    expect(WORLD.ask(rel("tosub")), answer=["tosub 300 IN CNAME www.child"])


def test_a18_repeated_queries_keep_the_rrset():
    seen = {frozenset(rows(WORLD.ask(rel("www")).answer)) for _ in range(4)}
    assert seen == {frozenset({"www 300 IN A 192.0.2.10", "www 300 IN A 192.0.2.11"})}


def test_additional_addresses_of_mail_exchangers_and_name_servers():
    reply = WORLD.ask(rel("@"), "MX")
    expect(
        reply,
        answer=["rel.test.zone. 300 IN MX 10 mail"],
        additional=["mail 300 IN A 192.0.2.20"],
    )
    expect(
        WORLD.ask(rel("@"), "NS"),
        answer=["rel.test.zone. 300 IN NS ns1", "rel.test.zone. 300 IN NS ns2"],
        additional=[
            "ns1 300 IN A 192.0.2.1",
            "ns1 300 IN AAAA 2001:db8::1",
            "ns2 300 IN A 192.0.2.2",
        ],
    )


def test_i10_an_exchanger_in_two_spellings_has_its_address_once():
    text = "$ORIGIN m.test.\n$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"
    world = World(compile_text(text + "x MX 10 NS\nx MX 20 ns\n", "m.test"))
    reply = world.ask("x.m.test.", "MX")
    assert len(reply.answer[0]) == 2
    assert [len(one) for one in reply.additional] == [1]


def test_soa_is_answered_with_its_own_ttl():
    expect(
        WORLD.ask(rel("@"), "SOA"),
        answer=["rel.test.zone. 3600 IN SOA ns1 hostmaster 2024010101 7200 900 1209600 60"],
    )


def test_https_and_svcb_are_answered():
    expect(WORLD.ask(rel("svc"), "HTTPS"), answer=['svc 300 IN HTTPS 1 . alpn="h2" port="8443"'])
    expect(WORLD.ask(rel("svcb"), "SVCB"), answer=["svcb 300 IN SVCB 0 svc"])


@pytest.mark.parametrize("rtype", ["HTTPS", "MX", "TXT", 65280])
def test_a_service_has_no_other_types(rtype):
    expect(WORLD.ask(rel("geo"), rtype), authority=SOA)


@pytest.mark.parametrize("rtype", ["A", "AAAA", "CNAME", "HTTPS", "ANY", "TXT"])
def test_a_service_of_names_answers_its_name_to_every_type(rtype):
    expect(WORLD.ask(rel("away"), rtype), answer=["away 30 IN CNAME cdn.example.net."])


def test_i16_a_service_whose_sites_are_all_down_still_answers():
    down = {site: SiteHealth(up=False) for site in ("eu", "na", "other")}
    world = World(rel_zone(), table=make_table(), health=HealthSnapshot(1, down))
    query = message(question(rel("geo")), additional=(opt(),))
    expect(world.send(query, "193.0.0.1"), answer=["geo 30 IN A 198.51.100.1"])
    expect(world.ask(rel("dark")), authority=SOA)  # `nodata` was chosen explicitly
