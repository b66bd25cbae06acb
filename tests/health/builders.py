"""Sites, reports and evidence in few words."""

from ipaddress import ip_address

from gslb.health.evidence import Evidence, Heard
from gslb.health.merge import merge
from gslb.health.snapshot import HealthSnapshot
from gslb.model.agent import Agent
from gslb.model.check import Check, TcpCheck
from gslb.model.report import Report, SiteReport
from gslb.model.service import Site
from gslb.model.system import HealthSettings

CHECK = Check((TcpCheck(80),), interval_s=2.0, fall=3, rise=2)
START = HealthSnapshot()
AT = 1_700_000_000.0  # 2023-11-14T22:13:20Z
ANY_DOMAIN = HealthSettings(min_domains=1, flap_hold_s=0.0)
"""One failure domain is enough to take a site down, and it comes back at once."""


def site(name, capacity=1.0, check=CHECK):
    return Site(name, (ip_address("127.0.0.1"),), capacity=capacity, check=check)


def named(*sites):
    return {site.name: site for site in sites}


def report(at=AT, agent="ns1", canaries=(0, 0), sequence=1, boot="boot", **sites):
    """A report: a state is a SiteReport, True, False or None. us_east stands for us-east."""
    views = {
        name.replace("_", "-"): view if isinstance(view, SiteReport) else SiteReport(view)
        for name, view in sites.items()
    }
    return Report(agent, boot, sequence, at, views, canaries)


def domain_of(agent):
    """fra/1 and fra/2 are in the failure domain fra; a name without a slash is its own."""
    return agent.partition("/")[0]


def evidence(*reports, at=AT, agents=None, faults=None, **more):
    """What is known at a moment of reports that are as old as they say.

    agents: the names that are declared, by default those that report. faults: name -> fault.
    """
    names = [one.agent for one in reports] if agents is None else agents
    declared = {name: Agent(name, domain_of(name)) for name in names}
    heard = [
        Heard(declared[one.agent], one, at - one.at, (faults or {}).get(one.agent, ""))
        for one in reports
    ]
    return Evidence(agents=tuple(declared.values()), heard=heard, at=at, **{"order_at": at, **more})


def merge_at(reports, sites, settings, previous, at):
    return merge(evidence(*reports, at=at), sites, settings, previous)


def withdrawn(snapshot):
    return {name for name, health in snapshot.sites.items() if not health.is_serving}


def held(snapshot):
    return {name for name, health in snapshot.sites.items() if health.held}


def up_sites(snapshot):
    return {name for name, health in snapshot.sites.items() if health.up}
