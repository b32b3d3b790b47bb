"""The reference data of totesys: rows that rarely change."""

from datetime import datetime

OPENED = datetime(2022, 11, 3, 14, 20, 49, 962_000)  # noqa: DTZ001 - totesys keeps no time zone
STAFFED = datetime(2022, 11, 3, 14, 20, 51, 563_000)  # noqa: DTZ001 - totesys keeps no time zone

CURRENCIES = ("GBP", "USD", "EUR")
PAYMENT_TYPES = ("SALES_RECEIPT", "SALES_REFUND", "PURCHASE_PAYMENT", "PURCHASE_REFUND")

# Name, location and manager; the spelling "Leds" is that of totesys.
DEPARTMENTS = (
    ("Sales", "Manchester", "Harriet Bloom"),
    ("Purchasing", "Manchester", "Naomi Pargeter"),
    ("Production", "Leeds", "Chester Hallam"),
    ("Dispatch", "Leds", "Mark Ollerenshaw"),
    ("Finance", "Manchester", "Jordan Bielby"),
    ("Facilities", "Manchester", "Shelley Lofthouse"),
    ("Communications", "Leeds", "Ann Blakelock"),
    ("HR", "Leeds", "James Linklater"),
)

# First name, last name and department id; the department Sales has no staff.
STAFF = (
    ("Jeremie", "Franey", 2),
    ("Deron", "Beier", 6),
    ("Jeanette", "Erdman", 6),
    ("Ana", "Glover", 3),
    ("Magdalena", "Zieme", 8),
    ("Korey", "Kreiger", 3),
    ("Raphael", "Rippin", 2),
    ("Oswaldo", "Bergstrom", 7),
    ("Brody", "Ratke", 2),
    ("Jazmyn", "Kuhn", 2),
    ("Meda", "Cremin", 5),
    ("Imani", "Walker", 5),
    ("Stan", "Lehner", 4),
    ("Rigoberto", "VonRueden", 7),
    ("Tom", "Gutkowski", 3),
    ("Jett", "Parisian", 6),
    ("Irving", "O'Keefe", 3),
    ("Tomasa", "Moore", 8),
    ("Pierre", "Sauer", 2),
    ("Flavio", "Kulas", 3),
)

# Lines 1 and 2, district, city, postal code, country, phone.
ADDRESSES = (
    ("6826 Herzog Via", None, "Avon", "New Patienceburgh", "28441", "Turkey", "1803 637401"),
    ("179 Alexie Cliffs", None, None, "Aliso Viejo", "99305-7380", "San Marino", "9621 880720"),
    ("148 Sincere Fort", None, None, "Lake Charles", "89360", "Samoa", "0730 783349"),
    ("6102 Rogahn Skyway", None, "Bedfordshire", "Olsonside", "47518", "Republic of Korea", "1239 706295"),
    ("34177 Upton Track", None, None, "Fort Shadburgh", "55993-8850", "Bosnia and Herzegovina", "0081 009772"),
    ("846 Hailey Island", None, None, "Kendraburgh", "08841", "Zimbabwe", "0447 798320"),
    ("75653 Ernestine Ways", None, "Buckinghamshire", "North Deshaun", "02813", "Faroe Islands", "1373 796260"),
    ("0579 Durgan Common", None, None, "Suffolk", "56693-0660", "United Kingdom", "8935 157571"),
    ("644 Edward Garden", None, "Borders", "New Tyra", "30825-5672", "Australia", "0768 748652"),
    ("49967 Kaylah Flat", "Tremaine Circles", "Bedfordshire", "Beaulahcester", "89470", "Guernsey", "4949 998070"),
    ("249 Bernier Mission", None, "Buckinghamshire", "Corpus Christi", "85111-9300", "Japan", "0222 525870"),
    ("6461 Ernesto Expressway", None, "Berkshire", "Pricetown", "37167-0340", "Tajikistan", "4757 757948"),
    ("80828 Arch Dale", "Torphy Turnpike", None, "Shanahanview", "60728-5019", "Bouvet Island", "8806 209655"),
    ("84824 Bryce Common", "Grady Turnpike", None, "Maggiofurt", "50899-1522", "Iraq", "3316 955887"),
    ("605 Haskell Trafficway", "Axel Freeway", None, "East Bobbie", "88253-4257", "Heard Island", "9687 937447"),
    (
        "511 Orin Extension",
        "Cielo Radial",
        "Buckinghamshire",
        "South Wyatt",
        "04524-5341",
        "Democratic People's Republic of Korea",
        "2372 180716",
    ),
    ("962 Koch Drives", None, None, "Hackensack", "95316-4738", "Indonesia", "5507 549583"),
    ("57360 Hermann Bridge", None, "Cambridgeshire", "Hayward", "01138", "Guam", "0021 366201"),
    ("2290 Kub Forks", None, "Berkshire", "Fort Ronny", "63019", "Svalbard & Jan Mayen Islands", "9742 115330"),
    (
        "0283 Cole Corner",
        "Izabella Ways",
        "Cambridgeshire",
        "West Briellecester",
        "01138",
        "Sierra Leone",
        "1753 158314",
    ),
    ("22073 Klein Landing", None, None, "Pueblo", "91445", "Republic of Korea", "4003 678621"),
    ("4908 Predovic Mill", None, "Borders", "Bartonmouth", "07245-1193", "Iceland", "0650 214873"),
    ("37736 Heathcote Lock", "Noemy Pines", None, "Bartellview", "42400-5199", "Congo", "1684 702261"),
    ("8434 Daren Freeway", None, None, "New Torrance", "70836-3308", "Antigua and Barbuda", "5582 055380"),
    ("253 Ullrich Inlet", "Macey Wall", "Borders", "East Arvel", "35397-9952", "Sri Lanka", "9338 803391"),
    ("38104 Nicole Ranch", None, "Avon", "Kingsport", "90016", "Malawi", "0415 296101"),
    ("9940 Wisozk Parks", None, "Bedfordshire", "Bobbyside", "58930", "Wallis and Futuna", "7610 443287"),
    ("4185 Edna Rapid", "Stanford Manors", None, "Sunnyvale", "00692-7311", "Sao Tome and Principe", "2281 098447"),
    ("61 Larkin Locks", None, "Cambridgeshire", "Tillmanstad", "36510", "Tokelau", "6338 100542"),
    ("772 Marquardt Cape", "Kuphal Causeway", None, "Yazminfort", "11934-0027", "Cote d'Ivoire", "0998 531206"),
)

# Legal name, id of the legal address, commercial contact, delivery contact.
COUNTERPARTIES = (
    ("Fahey and Sons", 15, "Micheal Toy", "Mrs. Lucy Runolfsdottir"),
    ("Leannon, Predovic and Morar", 28, "Melba Sanford", "Jean Hane III"),
    ("Armstrong Inc", 2, "Jane Wiza", "Myra Kovacek"),
    ("Kohler Inc", 29, "Taylor Haag", "Alfredo Cassin II"),
    ("Frami, Yundt and Macejkovic", 22, "Homer Mitchell", "Ivan Balistreri"),
    ("Mraz LLC", 23, "Florence Casper", "Eva Upton"),
    ("Schaefer-Hettinger", 12, "Ella Gorczany", "Rogelio O'Hara"),
    ("Padberg Group", 3, "Sara Yost", "Norma Mann"),
    ("Price LLC", 19, "Sheryl Langworth", "Simon Schoen"),
    ("Bosco, Grant and Feeney", 15, "Dora Schmeler", "Wallace Purdy"),
    ("Hilpert, Price and Kemmer", 28, "Pedro Renner", "Emmett Sporer"),
    ("Wiegand-Jast", 2, "Nettie Volkman", "Clark Emmerich"),
    ("Larkin & Daughters", 29, "Hazel Rempel", "Bernard Stroman"),
    ("Sipes, Bartoletti and Welch", 9, "Gordon Lemke", "Lorena Bashirian"),
    ("Torp-Waelchi", 14, "Kate Anderson", "Dwayne Kirlin"),
    ("Nader-Corkery", 17, "Alan Ebert", "Maureen Ortiz"),
    ("Cronin, Beahan and Skiles", 1, "Elsa Tremblay", "Vernon Hoppe"),
    ("Yost, Watsica and Mann", 15, "Sophie Konopelski", "Janie Doyle"),
    ("Mueller, Ruecker and Von", 11, "Byron Hackett", "Guadalupe Rau"),
    ("Gutmann-Leffler", 2, "Terri Bahringer", "Owen Gislason"),
)

DESIGN_COUNT = 473
FIRST_DESIGN_COUNT = 53
"""The number of designs when the business opened; the others were added evenly over time."""

DESIGN_NAMES = (
    *("Wooden", "Bronze", "Soft", "Granite", "Steel", "Plastic"),
    *("Metal", "Fresh", "Frozen", "Rubber", "Concrete", "Cotton"),
)
DESIGN_FOLDERS = (
    *("/usr", "/usr/share", "/usr/ports", "/usr/local/src", "/home/user", "/home/user/dir", "/lib", "/opt/bin", "/srv"),
    *("/private", "/private/var", "/private/tmp", "/boot/defaults", "/var/log", "/Library", "/Applications", "/Users"),
)


def email(first_name: str, last_name: str) -> str:
    """Return the company's e-mail address for a member of staff."""
    return f"{first_name}.{last_name}@terrifictotes.com".lower().replace(" ", "")
