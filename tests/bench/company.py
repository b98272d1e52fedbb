#!/usr/bin/python3
"""An example company as LDIF: the same seed gives the same company, of any size.

    company.py [--people N] [--seed N] [--part tree|people|policy|all] [--suffix DN]

Made for the demo, the bench and the tests. Its people have names as real people have:
accents, particles, apostrophes and hyphens, the same name twice and more often, and names
in other scripts than Latin (kept in displayName and as a second cn; givenName and sn are
romanized, as in a passport). Everybody has a manager up to the head of the company, a
department, a title, a place, an employee number.

Parts, in the order in which they can be loaded:
  tree     the suffix, its folders, groups (with cn=nobody as the first member)
  policy   roles, pools; with --connector also a connector
  people   plain inetOrgPerson entries, as an HR job would add them
"""

import argparse
import base64
import random
import sys
import unicodedata

SUFFIX = "dc=example,dc=com"

# given names, surnames; a third member: how it is written at home
LATIN = [
    ("Anna Ben Clara David Emma Felix Greta Hannes Ida Jonas Karla Lukas Mia Noah Paula Robin".split(),
     "Müller Schmidt Schneider Weiß Fischer Weber Bäcker Groß Schäfer Köhler Jäger Vögele".split()
     + ["von der Heide", "zu Guttenberg", "Müller-Lüdenscheidt", "von Bülow"]),
    ("Amélie Benoît Chloé Étienne François Hélène Jérôme Léa Noël Raphaël Zoé Gaëlle".split(),
     "Dubois Lefèvre Garçon Brûlé Moreau Côté Bélanger Gagné".split() + ["de La Fontaine", "d'Artagnan", "Le Goff"]),
    ("Álvaro Begoña Concepción Iñigo José María Nuria Óscar Raúl Sofía Ángela".split(),
     ["García Márquez", "Núñez", "de la Cruz", "Ibáñez", "Peña y Lillo", "Muñoz", "Ortega y Gasset", "Güell"]),
    ("Aurora Bianca Cosimo Dario Elena Fabio Giulia Niccolò Pietro Zoë".split(),
     "Rossi Bianchi Esposito Ricci Dell'Acqua D'Angelo".split() + ["De Luca", "Lo Presti", "della Rovere"]),
    ("Åsa Björn Cecilia Dag Elin Göran Håkan Ingrid Jørgen Kåre Søren Þóra Ævar Øystein".split(),
     "Ångström Björk Håkansson Sørensen Østergaard Þórsson Lindqvist Strömberg".split() + ["af Klint", "Løkke"]),
    ("Agnieszka Bożena Łukasz Małgorzata Przemysław Stanisław Zdzisław Šárka Čeněk Jiří Řehoř Žofie".split(),
     "Wałęsa Kowalczyk Skłodowska Żółty Dvořák Čapek Škvorecký Růžička Mączyńska Öztürk".split()),
    ("Ayşe Çağla Gökhan İbrahim Işıl Ömer Şule Uğur Yağmur".split(),
     "Yılmaz Öztürk Çelik Şahin Güneş Kılıç Doğan".split()),
    ("Anh Bảo Đức Hương Linh Nguyệt Phúc Thảo Tuấn".split(), "Nguyễn Trần Lê Phạm Đặng Bùi Vũ".split()),
    ("Seán Aoife Niamh Ciarán Mary-Jane Jean-Luc Oluwaseun Chidi Thandiwe Kwame".split(),
     ["O'Brien", "Ó Súilleabháin", "Mac Gabhann", "ní Dhomhnaill", "van der Merwe", "ter Horst", "'t Hooft",
      "Okonkwo", "Adébáyò", "Smith-Jones", "St. John"]),
]
OTHER_SCRIPTS = [
    [("Taro", "Yamada", "山田 太郎"), ("Hanako", "Sato", "佐藤 花子"), ("Kenji", "Watanabe", "渡辺 健二")],
    [("Wei", "Wang", "王伟"), ("Fang", "Li", "李芳"), ("Xiulan", "Zhang", "张秀兰"), ("Jing", "Ouyang", "欧阳静")],
    [("Minjun", "Kim", "김민준"), ("Seoyeon", "Lee", "이서연")],
    [("Ivan", "Petrov", "Иван Петров"), ("Olha", "Shevchenko", "Ольга Шевченко"), ("Yuliya", "Shchukina", "Юлия Щукина")],
    [("Giorgos", "Papadopoulos", "Γιώργος Παπαδόπουλος"), ("Eleni", "Nikolaou", "Ελένη Νικολάου")],
    [("Muhammad", "al-Khwarizmi", "محمد الخوارزمي"), ("Fatima", "az-Zahra", "فاطمة الزهراء")],
    [("Yael", "Ben-David", "יעל בן־דוד"), ("Noam", "Levi", "נועם לוי")],
    [("Arjun", "Sharma", "अर्जुन शर्मा"), ("Priya", "Iyer", "பிரியா ஐயர்")],
    [("Nino", "Kapanadze", "ნინო კაპანაძე"), ("Anahit", "Petrosyan", "Անահիտ Պետրոսյան")],
]
DEPARTMENTS = {  # name: titles
    "sales": ["Account Executive", "Sales Engineer", "Account Manager"],
    "marketing": ["Designer", "Editor", "Marketing Manager"],
    "engineering": ["Software Engineer", "Site Reliability Engineer", "Test Engineer", "Engineering Manager"],
    "research": ["Scientist", "Research Engineer"],
    "production": ["Machinist", "Shift Lead", "Planner"],
    "logistics": ["Dispatcher", "Storekeeper"],
    "finance": ["Accountant", "Controller", "Treasurer"],
    "people": ["Recruiter", "HR Partner"],
    "legal": ["Counsel", "Paralegal"],
    "support": ["Support Agent", "Support Lead"],
    "facilities": ["Janitor", "Technician"],
    "it": ["System Administrator", "Service Desk Agent"],
}
PLACES = ["Berlin", "Lyon", "Porto", "Kraków", "Ōsaka", "São Paulo", "Zürich", "Tromsø"]
TECHNICAL = ("engineering", "research", "it")


def plain(text):
    """ASCII letters and digits only, for uids and place names."""
    special = str.maketrans({"ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "Ae", "ł": "l", "Ł": "L", "đ": "d",
                             "Đ": "D", "þ": "th", "Þ": "Th", "ı": "i"})
    folded = unicodedata.normalize("NFKD", text.translate(special))
    return "".join(c for c in folded if c.isascii() and c.isalnum())


class Company:
    def __init__(self, people=2000, seed=1, suffix=SUFFIX):
        self.n, self.seed, self.suffix = people, seed, suffix
        self.people_dn, self.groups_dn = f"ou=people,{suffix}", f"ou=groups,{suffix}"
        self.policy_dn = f"ou=provisioning,{suffix}"
        self.nobody = f"cn=nobody,{suffix}"

    # -- entries: (dn, [(attribute, value), ...]) -------------------------------------------

    def folder(self, dn):
        return dn, [("objectClass", "organizationalUnit"), ("ou", dn.split(",")[0][3:])]

    def group(self, cn, description):
        return f"cn={cn},{self.groups_dn}", [("objectClass", "groupOfNames"), ("cn", cn),
                                             ("description", description), ("member", self.nobody)]

    def tree(self):
        yield self.suffix, [("objectClass", "dcObject"), ("objectClass", "organization"),
                            ("dc", self.suffix.split(",")[0][3:]), ("o", "Example Works")]
        for ou in ("people", "groups", "apps", "archive"):
            yield self.folder(f"ou={ou},{self.suffix}")
        yield self.nobody, [("objectClass", "organizationalRole"), ("cn", "nobody"),
                            ("description", "first member of every group, since a group wants one")]
        yield f"cn=hr,ou=apps,{self.suffix}", [
            ("objectClass", "organizationalRole"), ("objectClass", "simpleSecurityObject"), ("cn", "hr"),
            ("userPassword", "hr-secret")]
        for d in DEPARTMENTS:
            yield self.group(d, f"Department {d}")
        for place in PLACES:
            yield self.group(plain(place).lower(), f"Everybody in {place}")
        yield self.group("managers", "People who lead people")
        yield self.group("git", "May push")
        # Large roles: not one group of everybody, but a search (see docs)
        yield f"cn=everyone,{self.groups_dn}", [
            ("objectClass", "groupOfURLs"), ("cn", "everyone"),
            ("memberURL", f"ldap:///{self.people_dn}??sub?(provEffectiveRole=cn=employee,ou=roles,{self.policy_dn})")]

    def role(self, cn, *pairs):
        return f"cn={cn},ou=roles,{self.policy_dn}", [("objectClass", "provRole"), ("cn", cn), *pairs]

    def policy(self):
        yield self.folder(self.policy_dn)
        for ou in ("pools", "roles", "connectors"):
            yield self.folder(f"ou={ou},{self.policy_dn}")
        yield f"cn=uid,ou=pools,{self.policy_dn}", [("objectClass", "provPool"), ("cn", "uid"),
                                                    ("provPoolNext", "10000"), ("provPoolMax", "5000000")]
        domain = ".".join(rdn.split("=")[1] for rdn in self.suffix.split(","))
        yield self.role("employee", ("description", "Whoever works here"),
                        ("provAssignFilter", "(employeeType=employee)"),
                        ("provTemplate", "default mail: {givenName|ascii|lower}.{sn|ascii|lower|replace: :}{unique}@" + domain),
                        ("provTemplate", "default displayName: {givenName} {sn}"),
                        ("provEntitlement", "payroll:slip"))
        for d in DEPARTMENTS:
            yield self.role(d, ("provAssignFilter", f"(departmentNumber={d})"), ("provGroup", f"cn={d},{self.groups_dn}"),
                            ("provTemplate", f"add description: works in {d}"),
                            ("provEntitlement", f"share:{d}:write"))
        for place in PLACES:
            cn = plain(place).lower()
            yield self.role(f"at-{cn}", ("provAssignFilter", f"(l={place})"), ("provGroup", f"cn={cn},{self.groups_dn}"))
        yield self.role("unix", ("description", "Has an account on our machines; part of other roles"),
                        ("provTemplate", "add objectClass: posixAccount"),
                        ("provTemplate", "default uidNumber: {next:uid}"),
                        ("provTemplate", "default gidNumber: 100"),
                        ("provTemplate", "enforce homeDirectory: /home/{uid|first:1}/{uid}"),
                        ("provTemplate", "default loginShell: /bin/bash"))
        yield self.role("developer", ("provInclude", f"cn=unix,ou=roles,{self.policy_dn}"),
                        ("provAssignFilter", "(|" + "".join(f"(departmentNumber={d})" for d in TECHNICAL) + ")"),
                        ("provGroup", f"cn=git,{self.groups_dn}"), ("provEntitlement", "github:example/dev:write"))
        yield self.role("manager", ("provAssignFilter", "(|(title=*Manager)(title=Head of *))"),
                        ("provGroup", f"cn=managers,{self.groups_dn}"), ("provRisk", "20"))

    def people(self):
        rng = random.Random(self.seed)
        taken, heads, leads = {}, {}, {}
        departments = list(DEPARTMENTS)
        chief = None
        for i in range(self.n):
            given, sn, written = self.name(rng)
            department = departments[i % len(departments)] if i < 2 * len(departments) else rng.choice(departments)
            if chief is None:
                title, manager = "Head of Example Works", None
            elif department not in heads:
                title, manager = f"Head of {department}", chief
            else:
                title = rng.choice(DEPARTMENTS[department])
                manager = rng.choice(leads[department]) if leads.get(department) and rng.random() < 0.8 else heads[department]
            base = (plain(given)[:1] + plain(sn)).lower()[:12] or "x"
            taken[base] = taken.get(base, 0) + 1
            uid = base if taken[base] == 1 else f"{base}{taken[base]}"
            while uid != base and uid in taken:
                taken[base] += 1
                uid = f"{base}{taken[base]}"
            taken.setdefault(uid, 1)
            dn = f"uid={uid},{self.people_dn}"
            if chief is None:
                chief = dn
            elif department not in heads:
                heads[department] = dn
            elif "Manager" in title or "Lead" in title:
                leads.setdefault(department, []).append(dn)
            pairs = [("objectClass", "inetOrgPerson"), ("uid", uid), ("cn", f"{given} {sn}")]
            if written:
                pairs += [("cn", written), ("displayName", written)]
            pairs += [("givenName", given), ("sn", sn), ("title", title), ("departmentNumber", department),
                      ("l", rng.choice(PLACES)), ("employeeNumber", str(100000 + i)),
                      ("employeeType", "contractor" if rng.random() < 0.08 else "employee"),
                      ("userPassword", f"{uid}-pw")]
            if manager:
                pairs.append(("manager", manager))
            yield dn, pairs

    @staticmethod
    def name(rng):
        if rng.random() < 0.15:
            return rng.choice(rng.choice(OTHER_SCRIPTS))
        given, surnames = rng.choice(LATIN)
        if rng.random() < 0.06:  # the name that everybody has
            return given[0], surnames[0], None
        sn = rng.choice(surnames)
        first = rng.choice(given)
        if rng.random() < 0.05:
            first = f"{first} {rng.choice(given)}"
        return first, sn, None

    def part(self, name):
        names = ("tree", "policy", "people") if name == "all" else (name,)
        for n in names:
            yield from getattr(self, n)()


def ldif(entries):
    """LDIF lines (RFC 2849); values that are not safe go base64."""
    for dn, pairs in entries:
        yield line("dn", dn)
        for attribute, value in pairs:
            yield line(attribute, value)
        yield "\n"


def line(attribute, value):
    safe = value.isascii() and value.isprintable() and value[:1] not in (" ", ":", "<", "") and value[-1:] != " "
    return f"{attribute}: {value}\n" if safe else f"{attribute}:: {base64.b64encode(value.encode()).decode()}\n"


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--people", type=int, default=2000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--suffix", default=SUFFIX)
    p.add_argument("--part", default="all", choices=("tree", "policy", "people", "all"))
    a = p.parse_args()
    sys.stdout.writelines(ldif(Company(a.people, a.seed, a.suffix).part(a.part)))


if __name__ == "__main__":
    main()
