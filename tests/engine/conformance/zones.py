"""The zones that the conformance tests ask."""

CHAIN = "".join(f"c{at} CNAME c{at + 1}\n" for at in range(1, 20))
REL = (
    """
$ORIGIN rel.test.zone.
$TTL 300
@        3600 SOA   ns1 hostmaster 2024010101 7200 900 1209600 60
@             NS    ns1
@             NS    ns2
@             MX    10 mail
ns1           A     192.0.2.1
ns1           AAAA  2001:db8::1
ns2           A     192.0.2.2
www           A     192.0.2.10
www           A     192.0.2.11
mail          A     192.0.2.20
a.ent         A     192.0.2.30
_sip._tcp     SRV   0 5 5060 www
alias         CNAME www
second        CNAME alias
dangle        CNAME nope
nodata        CNAME mail
ext           CNAME www.example.org.
loopa         CNAME loopb
loopb         CNAME loopa
self          CNAME self
todeleg       CNAME h.sub
tosub         CNAME www.child
toservice     CNAME geo
*.turn        CNAME x.turn
c20           A     192.0.2.40
sub           NS    ns1.sub
sub           NS    ns2.sub
ns1.sub       A     192.0.2.51
ns1.sub       AAAA  2001:db8::51
ns2.sub       A     192.0.2.52
ns2.sub       AAAA  2001:db8::52
signed        NS    ns.example.org.
signed        NS    ns2
signed        DS    12345 13 2 ( 0123456789abcdef0123456789abcdef
                                 0123456789abcdef0123456789abcdef )
child         NS    ns1
child         DS    23456 13 2 ( 0123456789abcdef0123456789abcdef
                                 0123456789abcdef0123456789abcdef )
*.wild        A     192.0.2.60
*.wild        TXT   "star"
host.wild     A     192.0.2.61
a.b.wild      A     192.0.2.62
*.wcn         CNAME www
generic       TYPE65280 \\# 4 0A000001
generic       TYPE65281 \\# 9 03575757 03464F4F 00
svc           HTTPS 1 . alpn=h2 port=8443
svc           A     192.0.2.70
svcb          SVCB  0 svc
dot\\.ted      A     192.0.2.80
zero\\000ed    A     192.0.2.81
high\\200      A     192.0.2.82
"""
    + CHAIN
)

CHILD = """
$ORIGIN child.rel.test.zone.
$TTL 300
@        3600 SOA   ns hostmaster 1 7200 900 1209600 60
@             NS    ns
ns            A     192.0.2.90
www           A     192.0.2.91
"""

# The names and types of RFC 4592 2.2.1.
RFC4592 = """
$ORIGIN example.
$TTL 3600
example.              SOA  ns.example.com. hostmaster 1 7200 900 1209600 3600
example.              NS   ns.example.com.
example.              NS   ns.example.net.
*.example.            TXT  "from the wildcard"
*.example.            MX   10 host1.example.
sub.*.example.        TXT  "below the wildcard"
host1.example.        A    192.0.2.1
_ssh._tcp.host1.example. SRV 0 0 22 host1.example.
_ssh._tcp.host2.example. SRV 0 0 22 host2.example.
subdel.example.       NS   ns.example.com.
subdel.example.       NS   ns.example.net.
"""
