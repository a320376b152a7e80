# ruff: noqa: E501  (a form of words a line; lists of words)
"""The grammar of the recogniser's text: sentences, forms, letters and queries, and lists of words for their slots.

`[a|b]` is a choice and `{slot}` is filled by a method of `recogniser_text.Draw` of that name. Entities are slots alone:
what stands in a template is no entity.
"""

from __future__ import annotations


def word_list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.strip().split(";"))


COUNTRIES = word_list(
    "Ireland;Poland;Uruguay;Kenya;Portugal;New Zealand;South Korea;Vietnam;Norway;Ghana;Brazil;Spain;the Netherlands;Turkey;Jordan;Chad;"
    "Sri Lanka;United States;USA;UK;United Kingdom;Canada;Mexico;Germany;France;Italy;Japan;China;India;Nigeria;Sweden;Denmark;Finland;"
    "Iceland;Chile;Peru;Argentina;Austria;Switzerland;Belgium;Greece;Israel;Egypt;Morocco;Algeria;Libya;Senegal;Mali;Niger;Togo;Benin;"
    "Ethiopia;Uganda;Rwanda;Zambia;Zimbabwe;Angola;Namibia;South Africa;Madagascar;Mauritius;Iran;Iraq;Syria;Lebanon;Georgia;Armenia;"
    "Azerbaijan;Kazakhstan;Mongolia;Nepal;Bhutan;Bangladesh;Myanmar;Thailand;Laos;Cambodia;Malaysia;Singapore;Indonesia;Philippines;Fiji;"
    "Samoa;Tonga;Vanuatu;Cuba;Haiti;Jamaica;Panama;Honduras;Guatemala;Belize;Ecuador;Colombia;Venezuela;Guyana;Suriname;Paraguay;Bolivia;"
    "Croatia;Slovenia;Serbia;Albania;Romania;Bulgaria;Hungary;Slovakia;Czech Republic;Ukraine;Belarus;Latvia;Lithuania;Estonia;Moldova"
)
STATES = word_list(
    "MA;OH;TX;WA;GA;NY;MN;CO;CA;FL;AZ;NV;OR;UT;MT;WY;NE;KS;OK;MO;IA;WI;IL;MI;KY;TN;NC;SC;VA;WV;NJ;CT;VT;NH;ME;NSW;VIC;QLD;ON;BC;QC;Ont.;Mass.;Calif."
)
WAYS = word_list(
    "Street;St;St.;Road;Rd;Rd.;Avenue;Ave;Ave.;Lane;Ln;Drive;Dr;Court;Ct;Close;Crescent;Way;Place;Terrace;Square;Blvd;Boulevard;Parkway;"
    "Grove;Hill;Gardens;Row;Walk;Mews;Circle;Loop;Trail;Rise;Quay;Park;Green;View;Vale;Alley;Highway;Pike"
)
NATURE = word_list(
    "Oak;Maple;Cedar;Birch;Elm;Willow;Chestnut;Walnut;Pine;Ash;Church;Mill;Station;Park;High;Main;Spring;River;Lake;Bridge;Castle;King;"
    "Queen;Victoria;Albert;Green;North;South;West;East;Old Mill;Orchard;Meadow;School;Market;Abbey;Priory;Harbour;Sunset;Hillside;Valley;"
    "Second;Third;5th;12th;42nd;Washington;Lincoln;Jefferson;Franklin;Long;Gray;Stone;Rose;Rich;May;Dale;Silver;Forest;Highland;Prospect"
)
TOWN_ENDS = word_list(
    "ville;ton;burg;field;ford;ham;bury;mouth;port;wood;haven;dale;stad;berg;dorf;heim;hausen;by;vik;ovo;ice;any;ec;ara;illo;anza;ino;ola;eaux;ac;ey;wick;stead"
)
TOWN_STARTS = word_list(
    "Ald;Bram;Carn;Dun;Eck;Fens;Grim;Hol;Ill;Jar;Kel;Lan;Mor;Nor;Ost;Pen;Quor;Ros;Stan;Tor;Ul;Var;Wen;Yar;Zel;Bel;Cas;Mont;Vill;Har;Gren;Lith;Mar;Sal;Ten"
)
PLACE_HEADS = word_list(
    "Port;New;Old;East;West;North;South;Lake;Mount;Fort;San;Santa;Saint;St.;Upper;Lower;Great;Little;Point;Cape;Glen;Villa;Bad;Kirk;Los;El;La;Le"
)
PLACE_TAILS = word_list(
    "Falls;Springs;Heights;Beach;Hills;Park;Grove;City;Bay;Junction;Creek;Rapids;Harbor;Valley;Point;on Sea;upon Tyne;Regis;Magna;Center;Island;Crossing;Ridge;Hill;Green;Lake"
)
INSTITUTION = word_list(
    "Hospital;General Hospital;Medical Center;Medical Centre;Clinic;Health Centre;Regional Medical Center;Memorial Hospital;Community Hospital;"
    "Nursing Home;Care Home;Hospice;Rehabilitation Center;Imaging Center;Children's Hospital;Infirmary;University Hospital;Surgery;Family Practice;"
    "Veterans Hospital;Cancer Institute;Heart Institute;Radiology;Health System;Healthcare;Medical Group;Pharmacy;Outpatient Clinic"
)
BODY = word_list(
    "University;College;School;Elementary School;High School;Institute;Church;Library;Museum;Council;Foundation;Society;Bank;Hotel;Orchestra;Choir;Football Club;Airlines;Insurance;Partners;Logistics;Foods;Press;Records;Studios;Systems;Technologies;Holdings;Group;Ltd;Inc;GmbH;LLC;Corp;Trust;Motors;Labs;Brewery;Theatre"
)
SAINTS = word_list(
    "St. Anne's;St. Jude;St Mary's;St. Luke's;Holy Cross;Sacred Heart;Good Samaritan;Mercy;Providence;Trinity;Mount Sinai;St. Olaf;St Thomas'"
)
FIRM_STARTS = word_list(
    "Data;Net;Soft;Bio;Med;Eco;Agri;Trans;Inter;Omni;Nova;Terra;Helio;Astra;Vivo;Lumi;Cryo;Geo;Hydra;Quant;Pers;Exo;Vert;Syn;Cal;Zen;Orb;Tele;Aero;Nex"
)
FIRM_ENDS = word_list("int;tec;ix;ora;ion;ex;is;o;ware;logic;sys;corp;ify;ly;ium;on;us;gen;via;max")
WORD_NAMES = word_list(
    "Long;Gray;Rich;Hill;May;Stone;Short;Hand;Bone;Rose;White;Brown;Black;Young;Strong;Ward;Field;Park;Best;Price;Wood;Lake;Day;March;"
    "Friend;Mark;Hope;Church;Cross;Bell;Love;King;Case;Chase;Grant;Sharp;Frost;Marsh;Page;Reader;Waters;Small;Little;Green;Fox;Fields"
)
PARTICLES = (
    "van ",
    "van der ",
    "de ",
    "de la ",
    "von ",
    "Mc",
    "Mac",
    "O'",
    "al-",
    "El ",
    "Ben ",
    "St. ",
    "di ",
    "da ",
    "Le ",
    "bin ",
)
WAYS_BEFORE = word_list(
    "Rue de;Rue;Via;Calle;Avenida;Rua;ul.;Jalan;Avenue de;Plaza;Piazza;Am;Carrer de;Boulevard;Route de;Chemin de;Viale;Paseo de;Camino"
)
WAY_ENDS = word_list(
    "straße;strasse;weg;gasse;allee;platz;straat;laan;gatan;gata;vej;vägen;gate;veien;katu;tie;utca;ova;ulica;dijk; út; utca"
)
INSTITUTION_BEFORE = word_list(
    "University Hospital;Royal Infirmary;Hospital;Klinikum;Hôpital;Ospedale;Hospital Clínico;Universitätsklinikum;Szpital;"
    "University Medical Center"
)
DATES = (
    "#.~.%Y",
    "#/~/%Y",
    "~-#-%Y",
    "%B #, %Y",
    "# %B %Y",
    "%a # %b",
    "%B %Y",
    "%d/%m/%y",
    "%A, %B #",
    "%B #th, %Y",
    "%B #rd, %Y",
    "%d-%m-%Y",
    "%b %Y",
    "%Y/%m/%d",
    "#-%b-%y",
    "%A",
    "#. %B %Y",
    "%b #",
    "the #th of %B",
    "~/#",
)
"""strftime forms; # is the day and ~ the month without a leading zero."""
IDS = (
    "N",
    "N",
    "AN",
    "AAN",
    "AA-N",
    "000-00-0000",
    "0000-0000",
    "00-AA-00000",
    "0000 0000 0000 0000",
    "AA0000/00",
    "000AA000",
    "A-N",
    "AAA 000",
)
PHONES = (
    "(000) 000-0000",
    "000-000-0000",
    "000.000.0000",
    "000-0000",
    "+00 000 000 0000",
    "0000 000000",
    "+00 00 0000000",
    "0000",
)
SYMPTOMS = word_list(
    "cough and fever;shortness of breath;chest pain;dyspnea on exertion;fever;hypoxia;weakness;altered mental status;persistent cough;weight loss;"
    "syncope;wheezing;palpitations;hemoptysis;night sweats;back pain;a fall;trauma;sepsis;confusion;abdominal pain;leg swelling;a nosebleed"
)
DRUG_ENDS = word_list("olol;pril;statin;mab;nib;azole;mycin;cillin;sartan;parin;tide;vir;afil")
DRUGS = word_list(
    "aspirin;metformin;lisinopril;atorvastatin;amlodipine;metoprolol;warfarin;apixaban;heparin;insulin;prednisone;amoxicillin;vancomycin;Zosyn;Lasix;"
    "furosemide;amiodarone;Lipitor;Coumadin;Eliquis;Xarelto;Keytruda;nivolumab;methotrexate;albuterol;Ventolin;tiotropium;Spiriva;gabapentin;Tylenol;"
    "ibuprofen;morphine;fentanyl;propofol;Ativan;lorazepam;sertraline;Zoloft;levothyroxine;Synthroid;omeprazole;Nexium;dexamethasone;remdesivir;cefepime;"
    "azithromycin;Levaquin;doxycycline;Plavix;clopidogrel;digoxin;Humira;adalimumab;rituximab;cisplatin;Taxol;tamoxifen;bleomycin;isoniazid;Bactrim"
)
DEVICES = word_list(
    "Port-A-Cath;Hickman catheter;Swan-Ganz catheter;Dobhoff tube;PICC;Foley catheter;Jackson-Pratt drain;Blake drain;Groshong catheter;Quinton catheter;"
    "Broviac line;Impella;LVAD;HeartMate;Watchman device;Amplatzer occluder;St. Jude valve;Medtronic pacemaker;Boston Scientific ICD;Harrington rods;"
    "Luque rods;Greenfield filter;Gore-Tex graft;MitraClip;Heimlich valve;Pleurx catheter;Shiley tracheostomy;Carpentier-Edwards valve;Bjork-Shiley valve;"
    "Starr-Edwards valve;Sengstaken-Blakemore tube;Ommaya reservoir;Mediport;Micra;BioZorb;Kirschner wire;Steinmann pin;Nuss bar;AngioVac;Bard port"
)
EPONYMS = word_list(
    "Kerley B lines;Hodgkin lymphoma;Hodgkin's disease;Pancoast tumor;Ghon complex;Hampton hump;Westermark sign;Morgagni hernia;Bochdalek hernia;"
    "Wegener granulomatosis;Chilaiditi syndrome;Paget disease;Marfan syndrome;Ebstein anomaly;tetralogy of Fallot;Schmorl nodes;Kaposi sarcoma;Crohn disease;"
    "Parkinson disease;Alzheimer disease;Down syndrome;Turner syndrome;Cushing syndrome;Raynaud phenomenon;Sjogren syndrome;Behcet disease;Gray-Hounsfield scale;"
    "Hounsfield units;Fleischner criteria;Child-Pugh score;Wells score;Glasgow Coma Scale;Apgar score;Gleason score;Barrett esophagus;Virchow node;"
    "Zenker diverticulum;Nissen fundoplication;Whipple procedure;Hartmann procedure;Hill-Sachs lesion;Bankart lesion;Colles fracture;Salter-Harris fracture;"
    "Reynolds pentad;Murphy sign;McBurney point;Chance fracture;Lyme disease;Ross River virus;Norwood procedure;Fontan circulation;Glenn shunt;Ross procedure;"
    "Bennett fracture;Charcot joint;Baker cyst;Graves disease;Hashimoto thyroiditis;Addison disease;Wilson disease;Huntington disease;Bell's palsy;Homans sign"
)
TRAPS = word_list(
    "Long bones are intact;Gray matter is preserved;Rich vascular supply;May represent atelectasis;Will follow;Hill-like contour of the diaphragm;"
    "March fracture of the metatarsal;Bone windows are unremarkable;Hand and wrist films;Short segment narrowing;Young adult pattern;Strong suspicion of pneumonia;"
    "Wood dust exposure;Stone in the gallbladder;White lung;Brown tumor;Black lung disease;Small effusion;Singh index;Rose-coloured sputum;Ward round at bedside;"
    "Art line in place;Mark the entry site;Bill the study as portable;Grant application;Dale of the sternum;Chase the pending cultures;Frank pus was drained;"
    "Sharp costophrenic angles;Major fissure is thickened;Grace period;Hope for recovery;Rob of oxygen;Field of view is limited;Waters view;Towne view;"
    "Page the team if worse;Price of the device;Case discussed at conference;Cross table lateral;Lateral Park view;Mobile unit;Ring shadow;Pope of the rib;"
    "North pole of the kidney;Reading is limited by rotation;Bath salts exposure;Sandwich technique;Nice alignment;Split thickness graft;China white inhalation;"
    "Turkey sandwich eaten before study;Guinea worm;Jersey finger;Lake-like collection;Battle sign;Orange juice;Lima bean sized nodule;Cork-like stopper;"
    "Wells and Geneva scores;Boston criteria;Tokyo guidelines;Atlanta classification;Milan criteria;Berlin definition of ARDS;Vancouver B2 fracture;Los Angeles grade B esophagitis;"
    "Bristol stool scale;Ottawa ankle rules;Canadian C-spine rule;New York Heart Association class II;Dallas criteria;Paris system;Lille score;Rome IV criteria"
)
MED_HEADS = word_list(
    "cardi;hepat;nephr;gastr;pneum;bronch;pleur;oste;arthr;my;neur;vascul;angi;thorac;scler;fibr;aden;lymph;splen;enter;derm;cyst;chondr;spondyl;medi;hem;lip;peri;trache;phren"
)
MED_TAILS = word_list(
    "itis;osis;oma;opathy;ectomy;otomy;oplasty;ography;ogram;oscopy;algia;omegaly;al;ic;oid;ostomy;olysis;ectasis;orrhagia;ous;ologist;ology"
)
ROLE = (
    "[nurse|Nurse|the nurse|charge nurse|RN|staff nurse|midwife|sister|physician|doctor|the doctor|attending|attending physician|consultant|registrar|resident|intern|fellow|house officer|"
    "radiologist|technologist|technician|radiographer|tech|surgeon|cardiologist|oncologist|pulmonologist|intensivist|anesthetist|pharmacist|physiotherapist|social worker|"
    "caregiver|case manager|interpreter|secretary|paramedic|referring physician|primary care provider|family physician|GP|PA|NP]"
)
PATIENT = "[patient|Patient|the patient|The patient|Pt|pt|client|resident|this patient|your patient|our patient|child|infant|baby]"
KIN = "[wife|husband|mother|father|daughter|son|brother|sister|spouse|partner|niece|nephew|uncle|aunt|guardian|next of kin|neighbour|friend|grandson|grandmother]"
HUMAN = "[man|woman|male|female|gentleman|lady|boy|girl|farmer|teacher|retired miner|student|smoker|veteran|individual|person|welder|nurse]"
PAST = "[discussed with|reviewed with|reported to|communicated to|called to|conveyed to|phoned through to|relayed to|given to|texted to|faxed to|handed over to|notified to]"
ACT = "[Dictated|Signed|Electronically signed|Read|Interpreted|Reviewed|Transcribed|Typed|Performed|Verified|Approved|Ordered|Requested|Referred|Prepared|Checked|Reported|Cosigned|Finalised|Seen|Examined]"

CLINICAL = (
    f"{ROLE} {{family}} [was informed|was notified|was paged|was told|acknowledged the result|is aware|accompanied the patient|called back] [at {{time}}|on {{date}}|today|]",
    f"[Results|Findings|The findings|These results|Critical results|Images] were {PAST} {ROLE} {{family}} [at {{time}}|on {{date}}|by telephone|in person|].",
    f"[Results|Findings|The findings|Critical result|Impression] {PAST} {{doctor}} [at {{time}}|on {{date}} at {{time}}|by telephone|].",
    f"{PATIENT} {{person}}[, MRN {{id}}|, DOB {{date}}|, {{age}}|, ID {{id}}| ({{id}})|], [presented with|was admitted with|complains of|is here for|has] {{symptom}}.",
    f"{PATIENT} {{person}} [presented with|was admitted for|complains of|arrived with|denies|reports] {{symptom}}.",
    f"{PATIENT} {{family}} [was seen in clinic|was transferred|was intubated|remains stable|is a known diabetic|was discharged home|was unable to cooperate].",
    f"{{age}} {HUMAN} from {{town}}[, {{country}}|, {{region}}|] [with|presenting with|referred for|admitted with] {{symptom}}.",
    f"[A|This] {HUMAN} from {{town}} [with|presented with|has] {{symptom}}.",
    f"{{age}} {HUMAN} [who|] lives [in|near|outside] {{town}}[ with {{symptom}}|, {{symptom}}|].",
    f"{{age}} {HUMAN}, {{person}}, [with|presents with|is seen for] {{symptom}}.",
    f"{{age}} {HUMAN} named {{person}} [with|presents with|is seen for] {{symptom}}.",
    "{person} is [a|an] {age} [man|woman|male|female] with {symptom}.",
    "{title} {family} is [a|an] {age} [man|woman|male|female] [from {town}|living in {town}|] with {symptom}.",
    "{title} {family} [was positioned upright|tolerated the procedure well|complains of {symptom}|moved to {town} [last year|in {year}|]|lives in {town}].",
    "[Resident|Native|Citizen|Inhabitant] of {town}[, {country}|]. {symptom_cap}.",
    "The patient, a [resident|native|citizen] of {town}, [has no prior study here|was transferred from {hospital}|presented with {symptom}].",
    "[Recent travel|Travelled|Returned last week|Recently moved|Emigrated|Came back] [to|from] {town}[ and {town}|, {country}|].",
    "[Travel to|Trip to|Exposure in|Born in|Raised in|Grew up in|Worked in|Retired to|Lives in|Resides in|Moved from|Flown in from|Driven from|Visiting from] {town}[, {region}|, {country}|][ in {year}|].",
    "[Transferred|Referred|Sent|Admitted] [from|by] {hospital}[ in {town}|, {town}|][ on {date}|] for {symptom}.",
    "[Prior|Outside|Comparison] [study|CT|radiograph|films] [from|at|performed at] {hospital}[ dated {date}|, {date}|].",
    "Comparison: [{date}|{date} at {hospital}|CT of {date}|Outside film of {date}, {hospital}].",
    "[Accompanied by|History from|Consent given by|Phoned|Spoke with|Collateral from|Escorted by] [his|her|the|the patient's|] "
    + KIN
    + "[,|] {person}.",
    "[His|Her|The patient's] "
    + KIN
    + " [{given}|{person}] [was present|gave the history|can be reached at {phone}|called from {town}].",
    KIN + " {person} [at bedside|was informed|declined].",
    "[Next of kin|Emergency contact|Contact|Power of attorney] is {person}[, {phone}| ({kin})|].",
    "[Lives|Living|Stays|Residing] [at|on] {street}[, {town}|][ with {poss} " + KIN + "|].",
    "[Fell|Was hit by a car|Was found down|Collapsed|Was picked up|Crashed] [on|at|near|outside|in front of] {street_name}[ in {town}|, {town}|] [on {date}|at {time}|].",
    "[Ambulance called to|Found unresponsive at|Discharged to|Home visit at|Mail films to|Home address:|Address] {address}.",
    f"{ACT} by[:|] [{{doctor}}|{{person}}|{{person}}, MD|{{initial_name}}][ on {{date}}|, {{date}} {{time}}|].",
    "[cc|CC|Copy to|Attn|Attention|To|From|Re][:|] [{doctor}|{person}|{doctor}, {hospital}|{last_first}].",
    "[Under the care of|Patient of|Followed by|Managed by|Seen by|Known to|Operated on by|Implanted by|Referred by|Covering for|Discussed with|As requested by|Per|D/w|Spoke to] [{doctor}|{person}|{title} {family}][ at {hospital}|, {hospital}| in {town}|].",
    "[MRN|Accession|Chart|Case|ID|NHS no|Hospital no|Encounter|Account] [#|no. |number |:|] {id}[, {person}|].",
    "[Please call|Call|For questions call|Page|Reach me at|Ext] {phone}[ or {email}|].",
    "[Implanted|Placed|Inserted|Removed|Exchanged] [on|in] {date} [by {doctor}|at {hospital}|].",
    "[Follow-up|Appointment|Return visit|Next scan] [with {doctor}|at {hospital}|] [on {date}|in {month}|scheduled for {date}].",
    "[Occupational exposure at|Works at|Employed by|Worked for|Retired from|Insured by|Sponsored by] {company}[ in {town}|].",
    "{person} was [examined|seen|imaged|reviewed|x-rayed|admitted] [at {hospital}|in {town}|on {date}|by {doctor}].",
    "{last_first} [{id}|DOB {date}|{date}|{age}]. {radiology}",
    "Name {person}[ DOB {date}|][ MRN {id}|]. {radiology}",
    "{radiology} {given} [tolerated this well|was discharged home|will return on {date}|lives alone].",
    "{radiology} [Discussed with|D/W|Called to|Told|Informed|Notified] {family} [at {time}|on {date}|by phone|].",
    "[Thank you for referring|I reviewed the films of|I had the pleasure of seeing|We saw|I met with|Please book|Kindly review] [{person}|{title} {family}|{given}][ of {town}| from {town}|].",
    "{symptom_cap} since [returning from|a trip to|arriving from|visiting] {town}[ in {month}| on {date}|].",
    "Biopsy by {doctor} at {hospital} [showed|confirmed|was negative for] {medical}.",
    "{person} and {person} [reviewed the images|read the study in consensus|were present].",
    "Second reader: {person}. First reader: {doctor}.",
    "{initial_name}/{initials_low} {date}",
    "Interpreter for {country} language, {person}, [was present|assisted].",
)

FORMS = (
    "[Patient Name|Patient|Name|PATIENT NAME|Pt name|Full name]: {form_name}\n[MRN|Patient ID|ID|Hospital No]: {id}\n[DOB|Date of birth|Born]: {date}\n[Sex|Gender]: [M|F|Male|Female]\n",
    "Surname: {family}\n[First name|Given name|Forename]: {given}\n[Town|City]: {town}\n[Street|Address]: {street}\n[Postcode|ZIP|Postal code]: {post}\n[Country: {country}\n|]",
    "NAME {form_name}    ID {id}\nDOB {date}   SEX [M|F]\nREFERRED BY {doctor}\nHOSPITAL {hospital}\n",
    "[Referring physician|Requested by|Ordering provider|Attending|Consultant|GP|PCP|Radiologist]: [{doctor}|{person}|{form_name}]\n[Clinic|Institution|Site|Facility]: {hospital}\n[Exam date|Date|Study date]: {date}[ {time}|]\n",
    "[Address|Home address|Lives at|Mailing address]: {address}\n[Phone|Tel|Telephone|Mobile]: {phone}\n[E-mail: {email}\n|]",
    "[Next of kin|Emergency contact|Guardian|Contact person]: {person}\n[Relationship|Relation]: [wife|husband|son|daughter|mother]\n[Phone|Tel]: {phone}\n",
    "{form_name} | {id} | {date} | [M|F] | {hospital}\n",
    "{form_name}; {date}; {street}; {post} {town}; {phone}\n",
    "{hospital}\n[Department of Radiology|Radiology Department|Diagnostic Imaging|Department of Medical Imaging]\n{address}\n[Tel|Phone]: {phone}\n",
    "[Signed|Dictated by|Transcribed by|Read by|Interpreted by|Approved by]: {person}[, MD|, M.D.|, FRCR|]\n[Date|On]: {date}\n",
    "[Occupation|Employer]: {company}\n[Insurance|Insurer|Plan]: {company}\n[Policy|Member ID|Group]: {id}\n",
    "[Place of birth|Birthplace|Born in|Hometown|Residence|City]: {town}\n[Nationality|Country]: {country}\n",
    "Patient: [supine|erect|upright|sedated|stable|rotated|ambulatory]\nPosition: [PA|AP|lateral]\nTechnique: [portable|standard]\nContrast: [none|Omnipaque 350|Isovue]\n",
    "Exam: [Chest PA and lateral|XR Chest 1 View|CT Chest with contrast]\nReason: {symptom}\nModality: [CR|DX|CT]\nStation: {id}\nTechnologist: [{person}|{initials}]\n",
    "[History|Indication|Reason for exam|Clinical information]: {symptom}\nComparison: [None|{date}|None available]\nFindings: {radiology}\nImpression: {radiology}\n",
    "{name_up}\n{id}\n{date}\n{hosp_up}\n",
    "{street}\n{post} {town}\n{country}\n",
    "{person}\n{street}\n{town}, {state} {zip}\n",
    "{person}\n{company}\n{street}\n{town} {post}\n{country}\n",
    "Attending: {doctor}; Resident: {person}; Nurse: {family}; Room {room}\n",
    "From: {person} <{email}>\nTo: {person}\nDate: {date}\nSubject: [your scan|appointment|films|report]\n",
)

LETTERS = (
    "Dear [{title} {family}|{doctor}|{given}|{person}],\n[Thank you for|I am writing about|Further to] [your letter of {date}|the referral of {person}|your visit to {hospital}].",
    "[Sincerely|Kind regards|Yours sincerely|Best wishes|Regards|With thanks],\n{person}\n[{hospital}|{company}|Consultant Radiologist|Secretary to {doctor}|]\n",
    "Re: {person}, [born {date}|DOB {date}], {address}",
    "To whom it may concern, {person} [has been under our care|attended {hospital}|lives at {address}] since {date}.",
    "I [reviewed|saw|examined|met] {title} {family} [in {town}|at {hospital}|] on {date}[ together with {poss} "
    + KIN
    + " {given}|].",
    "{title} {family} [and {poss} "
    + KIN
    + " {given} |][came|travelled|drove] [from|in from] {town} [for this visit|for the scan|].",
    "Please send the [films|report|invoice|letter] to {address}.",
    "[We have moved to|Our new address is|Write to us at|You will find us at|Our office is at|Visit us at] {address}.",
    "With copy to {doctor}, {hospital}, {town}.",
    "As discussed on {date}, {given} will [be moved|return|go home] to {town} [in {month}|next week|].",
    "{given} and {given} [are well|send their regards|moved to {town}].",
    "P.S. [Greetings to|My best to|Say hello to] {given}[ and {given}|].",
)

QUERIES = (
    "[What is|What are|How do I choose] the [dose|dosing|starting dose|options|recommended treatment|guidelines] [of {drug} |for {medical} |][in|for] {who}[, {person},|][ seen at {hospital}| admitted to {hospital}|][ on {date}|][ with {medical}|]?",
    "[Should|Can|May] {who}[, {person},|] [take|receive|continue|stop] {drug} [after|with|despite] {medical}[, diagnosed on {date}|][ at {hospital}|]?",
    "[My patient|A patient|Our patient|Patient] {person}[, MRN {id},|, phone {phone},|] [was started on|has been taking|reacted to] {drug} [on {date}|in {month} {year}|since {date}] for {medical}. [What next|Any interaction|How to taper|Which test is best]?",
    "[Differential|Work-up|Workup|Next step] for {symptom} in {who}[ named {person}|, {person}|][ from {town}| living at {street}, {town}| who lives in {town}, {state}| from {town}, {region}|]?",
    "[Patient|Pt] {short_name}, [record|MRN|chart|ID] {id}, [lives at|address] {address}, [has|with] {medical}: [is {drug} safe|which scan|which antibiotic]?",
    "[Interpret|Explain|Compare] {medical} [versus|and|with] {medical} [in|for] {who}[ {short_name}|, {short_name},|][ referred by {doctor}|][ last seen {date}|].",
    "[Summarise|Draft a letter about|Write discharge advice for] {person}, {age}, [discharged from {hospital} on {date}|email {email}|phone {phone}|policy {id}].",
    "[Is|Are] {drug} and {drug} [compatible|safe together]?",
    "[What are|List] the [latest|current] [criteria|guidelines|complications] for {medical}?",
    "[Can you|Could you] [tell me|explain] [how|why] {medical} [causes|leads to] {symptom} in {who}?",
    "{short_name}, {age}, [followed|treated|operated] at {hospital} in {town} since {date}: {medical} [recurred|improved]. Options?",
    "{who_cap} at {hospital}, [room {room}|bed {room}], [account|insurance] {id}, needs {drug}. [Dose|Route|Monitoring]?",
)

GENERAL = (
    "{family} [called|phoned|was late|left early|knows|agreed|is away|will pay|asked for {given}|met {family}|lives in {town}|moved to {street}].",
    "[Ask for|Ask|With|By|For|Via|About|See|Meet|Find|Told|Met|Saw|Visited|Relieved by|Signed in by|Known as|Keys with|Left with|Brought by] [{person}|{family}|{given}][ at {company}| in {town}|, {street}|].",
    "[near|via|past|behind|outside|toward|in|to|from|around|off|by|at|beyond] [{town}|{street_name}|{town} and {town}|{street}, {town}].",
    "[My name is|I am|I'm|This is|It's|You can call me|They call me|I go by|Her name is|His name was|The author is] {person}[.| and I live in {town}.|, from {town}.| and I work for {company}.]",
    "[My name is|I'm|This is|Call me|Hi, it's|Hello,|Ask for] {given}[.|, nice to meet you.| from {town}.|]",
    "[Hi|Hello|Hey|Dear|Good morning|Thanks|Sorry|Well done|Welcome][,|] {given}[,|!|.] [how are you|please call me back|the parcel has arrived|see you in {town}|can you help me].",
    "{given} [said|asked|thinks|told me|believes|wrote|laughed|called|left|wants to know] [that {given} is late|about the weather|if we could meet|nothing|the truth|{pron} would come].",
    "{person} [was born|grew up|died|married|studied|retired|settled] in {town}[, {country}|, {region}|][ in {year}| on {date}|].",
    "{person} [works|worked|is employed|is a clerk|is an engineer|was a director] [at|for|with] {company}[ in {town}|].",
    "{company} [was founded|opened an office|has a branch|is based|has its seat|hired 40 people] in {town}[, {country}|][ in {year}|].",
    "[The|Our] [headquarters|office|shop|warehouse|factory] of {company} is [at|on] {street}[, {town}|].",
    "[How do I get to|Where is|I live at|We meet at|Deliver to|Ship it to|Bill to|The house is at|I moved to|Come to|She lives at|He parked at|We're at|Pick me up at|Send the card to|My address is|Change my address to|Our shop is at|The party is at] {address}[.|?|]",
    "[How do I get to|Where is|I live on|Take a left into|He walked down|The bus stops at|The bakery on|Turn right on|Corner of|Roadworks on|A flat in] {street_name}[ in {town}|, {town}|][.|?|]",
    "[I live in|I moved to|She flew to|They drove from|We met in|He comes from|The train to|The road to|A hotel in|Weather in|Welcome to|Greetings from|The mayor of|Flights to|My sister lives in|Is there a pharmacy in|People in|The museum of|Back from|A trip to|Somewhere near|North of|We love] {town}[.|, {country}.| and {town}.| is closed.|]",
    "{town} is [a town|the capital|a village|a city|a port] [in|of|near] {country}.",
    "[The|A] [population|history|airport|weather|people|language|government|embassy|economy|coast|king|president|currency] of {country} [is growing|is known|was closed|has changed].",
    "{country} and {country} [signed a treaty|share a border|played a match][ in {town}|][ on {date}|].",
    "[The|] {nation} [food|team|ambassador|border|visitor] [was here|is good|came from {town}].",
    "[I would like to|I want to|Please|Could you] [pay|transfer|send] [40|250|1200] [dollars|euros] to {person}[, account {id}|].",
    "[My card|Card|Account|Ticket|Booking|Order|Passport|Licence|Case|Reference] [number|no] is {id}[, name {person}|].",
    "[Call|Ring|Text|Fax] [me|us|{given}|{person}] [at|on] {phone}[.| after {time}.]",
    "[Write|E-mail] [to|] {email}[ or {email}|][, attention {person}|].",
    "[The meeting|Our call|The concert|Dinner|The hearing] is on {date}[ at {time}|][ with {person}|][ in {town}| at {company}|].",
    "{given} and {given} [are siblings|met in {town}|play chess|got married on {date}|went to {country}].",
    "[{given}'s|{family}'s|{person}'s] [house|book|car|song|idea|mother|team] [is in {town}|was sold|is new|won the prize].",
    "[The|] [album|film|book|band|song|show|team|play] [by|of|with|starring] {person}[, recorded in {town}|, released in {year}|][, is good|, was a success|].",
    "[Singer|Actor|Actress|President|Minister|Senator|Mayor|Captain|Coach|Professor|Judge|Sergeant|Officer|Detective|Author|Painter|Director|Chef|CEO|Manager] {person} [resigned|arrived in {town}|won|spoke about it|of {company} agreed|was born in {year}].",
    "[Customer|Client|Employee|Applicant|Student|Member|Tenant|Caller|Guest|Driver|Owner|Witness|Passenger] {person}[, {street}, {town}|, born {date}|, {phone}|][ has complained| has paid| asked for a refund|].",
    "[The|] {body} [gave a concert|was closed|has 300 members|announced a merger|lost the case|plays at home][ in {town}|].",
    "[He|She] [studied|taught|plays|sings|works|banks] [at|with] {body}.",
    "[{given}|{person}]: [yes|no|I don't know|where are you|let's go to {town}|see you on {date}].",
    "[It happened|I was there|This was|We met|She left|It opened] [in {year}|in {month} {year}|on {date}|{date}].",
    "[What is|Do you know] [{person}|{given}]'s [phone number|address|birthday]?",
    "[Is|Was|Does|Did|Has] {person} [still in {town}|at home|your cousin|live in {town}|work at {company}|been paid]?",
    "[Between|Except|Unlike|Without|Despite|After|Before|Because of|Thanks to|According to|Along with] {given}[ and {given}|], [nobody came|we were late|it went well].",
    "{given}, {given}, {given} and {given} [sat at the table|founded the band|were there].",
    "[When|While|If|Since] {given} [sings|isn't working|was in {town}|arrives], [we wait|the crowd cheers|she is happy].",
    "[The|A] [lawyer|plumber|landlord|agent|teacher|doctor], [{person}|{title} {family}], [came from {town}|was late|called at {time}].",
    "[Bought from|Sold by|Made by|Delivered by|Contact|Powered by|A product of|Stock of|Invoice of|Job at] {company}[, {town}|, {street}|].",
    "[Our records show|The file says|We see] [that|] {person} [lives at|moved to|receives mail at] {address}.",
    "{address}\n[is my new address|is for sale|was burgled|].",
    "{person}\n{address_block}\n[{phone}\n|{email}\n|]",
    "{address_block}\n",
    "[The|] [zip|zip code|postcode] [of {town} |]is {zip}.",
)

# Kept out of training: its forms of words and, for the bars, its names, towns and streets are never seen there.
HANDOVER = (
    "Overnight: bed {room}, {person}, brought over by ambulance crew from {town}; relatives live at {street}, {town}.",
    "Ring {title} {family} back, number {phone}, about the films taken {date}.",
    "{person} now on room air. Daughter {given} arrives from {town} tomorrow.",
    "Bloods for {family} went to the lab under {id}; chase with {doctor}.",
    "{doctor} wants {person} moved across to {hospital} by {date}.",
    "Collected by taxi, drop at {street}, {post} {town}, keys with {person}.",
    "Sitter {person} relieved by {person} around {time}.",
    "Wound clinic near {street_name} will take {title} {family} once home in {town}.",
    "Porter {family} took {given} down for the scan.",
    "Asked {family} (locum, agency {company}) to repeat the gas.",
    "Visitor log: {last_first}, from {town}, signed in {time}.",
    "{family} wife phoned from {town}, worried about {symptom}.",
    "New arrival is {person}, picked up outside {street}, known locally in {town}.",
    "Discharge van goes via {town} and {town}; last stop {street_name}.",
    "Chaplain {person} asked for by the family of {person}.",
    "Bed manager says {hospital} declined, try the unit in {town}, ask for {family}.",
)

NEGATIVES = (
    "{radiology}",
    "{radiology}",
    "{radiology}",
    "{trap}. {radiology}",
    "{radiology} {trap}.",
    "{term_cap}. {term_cap}.",
    "{term_cap} {term}, {term}.",
    "[History of|Known|Status post|Rule out|Concern for|Question of|s/p|h/o|No evidence of|Suspected] {medical}[ and {medical}|][ treated with {drug}|].",
    "{device_cap} [in place|tip in the SVC|projects over the right atrium|unchanged|was removed]. {radiology}",
    "{drug_cap} [40 mg|5 mg BID|10 units|1 g IV|PRN] [daily|every 8 hours|] for {medical}.",
    "[Findings consistent with|Compatible with|May reflect|Could represent|Suspicious for|Likely] {medical}. [Recommend|Consider|Suggest] [CT|MRI|follow-up|clinical correlation].",
    "{medical_cap} [is noted|is present|was excluded|cannot be excluded|has improved|may be present].",
    "{salad}",
    "{salad}",
    "{salad} {salad}",
    "{title_case}",
    "{medword_cap} {medword} [of the {term}|with {medword}|].",
    "[1.|2.|-|*] {term_cap}[.|]\n[2.|3.|-|*] {medical_cap}[.|]\n",
    "FINDINGS: {radiology} {radiology}\nIMPRESSION: {radiology}",
    "TECHNIQUE: [PA and lateral views|Single AP portable view|Two views] of the chest. COMPARISON: None. FINDINGS: {radiology}",
    "[Degenerative changes|Compression deformity|Fracture] [at|of] [T10|L1-L2|C5|T7-T8|the 5th rib|L4]. [Nodule|Opacity|Mass] measures [3 x 4 mm|1.2 cm|15 mm]. {radiology}",
    "[Blood pressure|BP] 120/80, [pulse|HR] 72, [temperature|temp] 37.2, [SpO2|sats] 95%. [Grade|Stage|Class] [2|3|IV|IIIA]. [Image|Series] [3|12].",
    "[The patient|Patient|Pt] [is rotated|was unable to stand|is status post sternotomy|presents with {symptom}|has {medical}|was given {drug}|was discharged home|is a smoker].",
    "{age} [man|woman|male|female|M|F] with {symptom}[ and {medical}|].",
    "[Discussed with|Results given to|Reported to|Called to] [the referring team|the emergency department|the ward|the covering physician|the patient's nurse|surgery|the ICU team].",
    "[Nurse|Doctor|The nurse|The resident|Radiologist|Physician] [was informed|notified|aware|called|paged|was told of the result].",
    "[Resident|Transferred|Patient|Patient came] [from|of] [home|the ward|surgery|the ICU|a nursing home|another hospital|an outside facility|the clinic].",
    "[Signed by|Read by|Dictated by|Reviewed by] [the attending|the resident|a radiologist|the on-call team]. {radiology}",
)

FAMILIES: dict[str, tuple[tuple[str, ...], float]] = {
    "clinical": (CLINICAL, 0.22),
    "forms": (FORMS, 0.10),
    "letters": (LETTERS, 0.07),
    "queries": (QUERIES, 0.10),
    "general": (GENERAL, 0.23),
    "negatives": (NEGATIVES, 0.18),
    "phantom": ((), 0.10),
}
HELD_FAMILY = "handover"
